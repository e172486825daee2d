package main

import (
	"bytes"
	"testing"
	"time"

	"gosbridge/gateway/admin"
)

func TestProgressShow(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	s := &progressShow{w: &out, now: func() time.Time { return at }, since: at}
	for n := range int64(4) {
		at = at.Add(4 * time.Second)
		s.show(admin.Progress{Stage: "bodies", Done: n << 20, Total: 4 << 20, Unit: "octets"})
	}
	s.end()
	if got, want := out.String(), "bodies: 2.0 MiB of 4.0 MiB (50 %)\n"; got != want {
		t.Errorf("without terminal: %q, want %q", got, want)
	}
	out.Reset()
	s = &progressShow{w: &out, over: true, now: time.Now}
	s.end() // nothing was shown
	s.show(admin.Progress{Stage: "accounts", Done: 1, Total: 3, Unit: "accounts"})
	s.show(admin.Progress{Stage: "messages", Done: 7, Unit: "messages"})
	s.end()
	if got, want := out.String(), "\r\x1b[Kaccounts: 1 of 3 accounts (33 %)\r\x1b[Kmessages: 7 messages\r\x1b[K"; got != want {
		t.Errorf("terminal: %q, want %q", got, want)
	}
}
