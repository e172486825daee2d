package gateway_test

import (
	"bytes"
	"sync"
	"testing"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/gatewaytest"
)

// The same octets in the same envelope are one letter, also from two sessions
// at once; with X-Letter-Repeat, or to somebody else, they are another.
func TestRepeatedSubmission(t *testing.T) {
	g := gatewaytest.Start(t)
	letter := compose(t, gatewaytest.Sender, gatewaytest.Body, "Once")
	const sessions = 8
	numbers := make([]string, sessions)
	var wg sync.WaitGroup
	for i := range sessions {
		c := dialSMTP(t, g, gatewaytest.Sender, "system")
		wg.Go(func() {
			_, reply := submit(t, c, gatewaytest.Sender, []string{gatewaytest.Body}, letter)
			numbers[i] = numberPattern.FindString(reply)
		})
	}
	wg.Wait()
	for _, n := range numbers {
		if n == "" || n != numbers[0] {
			t.Fatalf("numbers %v", numbers)
		}
	}
	again := bytes.Replace(letter, []byte("MIME-Version"), []byte("X-Letter-Repeat: yes\r\nMIME-Version"), 1)
	c := dialSMTP(t, g, gatewaytest.Sender, "system")
	for range 2 {
		if _, reply := submit(t, c, gatewaytest.Sender, []string{gatewaytest.Body}, again); numberPattern.FindString(reply) == numbers[0] {
			t.Errorf("reply %s", reply)
		}
	}
	if _, reply := submit(t, c, gatewaytest.Sender, []string{gatewaytest.Body, gatewaytest.Partner}, letter); numberPattern.FindString(reply) == numbers[0] {
		t.Errorf("other envelope: %s", reply)
	}
	var list []admin.Letter
	if err := g.Admin().Call(t.Context(), admin.OpLetterList, admin.LetterList{}, &list); err != nil || len(list) != 4 {
		t.Errorf("%d letters, %v", len(list), err)
	}
	if n := count(t, g, gatewaytest.Sender, "Sent"); n != 4 {
		t.Errorf("%d letters in Sent", n)
	}
	eventually(t, "delivery", func() bool { return count(t, g, gatewaytest.Body, "INBOX") == 4 })
}

// A letter to oneself has two sides in one account.
func TestLetterToOneself(t *testing.T) {
	g := gatewaytest.Start(t)
	number := send(t, g, gatewaytest.Sender)
	eventually(t, "delivery", func() bool { return show(t, g, number).State == "delivered" })
	c := dialIMAP(t, g, gatewaytest.Sender, "person")
	if f := flags(t, c, "Sent"); !has(f, "Letter-Delivered") {
		t.Errorf("Sent: %v", f)
	}
	if f := flags(t, c, "INBOX"); !has(f, "Letter-Delivered") || has(f, "\\Seen") {
		t.Errorf("INBOX: %v", f)
	}
}

// What was accepted before a stop is delivered after the start.
func TestRestartKeepsLetters(t *testing.T) {
	g := gatewaytest.Start(t, window("registered", 1500e6))
	number := send(t, g, gatewaytest.Body, "X-Letter-Type: registered")
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.Open(t, g.Installed)
	eventually(t, "delivery after the restart", func() bool { return show(t, g, number).State == "delivered" })
	if next := send(t, g, gatewaytest.Body); next == number {
		t.Errorf("number %s was given twice", number)
	}
}
