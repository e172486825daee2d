package gateway_test

import (
	"bytes"
	"io"
	"regexp"
	"testing"

	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// stored is a message as the store has it.
type stored struct {
	octets, summary []byte
}

// rows reads all messages of a mailbox.
func rows(t *testing.T, g *gatewaytest.Gateway, user, box string) []stored {
	t.Helper()
	account, err := g.Store().Directory().AccountByAddress(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	var found []*mailstore.Message
	err = g.Store().View(t.Context(), account.ID, func(tx mailstore.Tx) error {
		b, err := tx.MailboxByName(box)
		if err != nil {
			return err
		}
		uids, err := tx.UIDs(b.ID)
		if err != nil {
			return err
		}
		var set mailstore.UIDSet
		set.AddNum(uids...)
		for m, err := range tx.Messages(b.ID, set, mailstore.FieldSummary|mailstore.FieldContent) {
			if err != nil {
				return err
			}
			found = append(found, m)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []stored
	for _, m := range found {
		r, err := m.Content.Open(t.Context(), g.Store().Bodies(), 0)
		if err != nil {
			t.Fatal(err)
		}
		octets, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		out = append(out, stored{octets, m.Summary})
	}
	return out
}

// The three forms of a letter are what they are defined to be, octet for
// octet, and lists are answered from a summary of just these octets.
func TestThreeForms(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.WithCitizen)
	bcc := []byte("Bcc: <" + gatewaytest.Partner + ">,\r\n <" + gatewaytest.Sender + ">\r\n")
	for _, c := range []struct {
		name   string
		from   string
		letter []byte
		sent   func(submitted []byte) []byte // nil: it is signed
	}{
		{"plain", gatewaytest.Sender, compose(t, gatewaytest.Sender, gatewaytest.Body, "Plain"), func(s []byte) []byte { return s }},
		{"with Bcc", gatewaytest.Sender, compose(t, gatewaytest.Sender, gatewaytest.Body, "Bcc", string(bytes.TrimSuffix(bcc, []byte("\r\n")))), func(s []byte) []byte {
			return bytes.Replace(s, bcc, nil, 1)
		}},
		{"without type", gatewaytest.Sender, []byte("From: <" + gatewaytest.Sender + ">\r\nTo: <" + gatewaytest.Body + ">\r\nSubject: Bare\r\n\r\nText\r\n"), func(s []byte) []byte { return s }},
		{"signed", gatewaytest.Sender, compose(t, gatewaytest.Sender, gatewaytest.Body, "Signed", "X-Letter-Type: registered"), nil},
		// What the client writes follows what the gateway writes by the same name.
		{"appeal", gatewaytest.Citizen, append([]byte("X-Letter-Kind: complaint\r\nX-Letter-Type: appeal\r\n"),
			note(gatewaytest.Citizen, gatewaytest.Body, "Appeal")...), func(s []byte) []byte { return s }},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(rows(t, g, gatewaytest.Body, "INBOX"))
			if code, reply := submit(t, dialSMTP(t, g, c.from, "person"), c.from, []string{gatewaytest.Body}, c.letter); code != 250 {
				t.Fatalf("reply %d %s", code, reply)
			}
			eventually(t, "delivery", func() bool { return len(rows(t, g, gatewaytest.Body, "INBOX")) > before })
			copies := rows(t, g, c.from, "Sent")
			inbox := rows(t, g, gatewaytest.Body, "INBOX")
			checkForms(t, c.letter, copies[len(copies)-1], inbox[len(inbox)-1], c.sent)
		})
	}
}

// ours is the gateway's prefix of a delivered letter, as docs/evidence.md takes
// it off.
var ours = regexp.MustCompile(`\A(?:.*\r\n)*?X-Letter-Type: .*\r\n(?:X-Letter-Ack-Until: .*\r\n)?`)

func checkForms(t *testing.T, submitted []byte, sentCopy, delivered stored, want func([]byte) []byte) {
	t.Helper()
	sent := afterField(t, sentCopy.octets, "X-Letter-Type: ")
	if want != nil && !bytes.Equal(sent, want(submitted)) {
		t.Errorf("sent form:\n%q\nwant\n%q", sent, want(submitted))
	}
	if want == nil {
		// The entity stands in it as it was submitted.
		entity := submitted[bytes.Index(submitted, []byte("Content-Type: multipart/mixed")):]
		if !bytes.Contains(sent, append([]byte("\r\n"), entity...)) || !bytes.Contains(sent, []byte("multipart/signed")) {
			t.Errorf("signed form lacks the entity:\n%.1500s", sent)
		}
	}
	if !bytes.HasSuffix(delivered.octets, sent) {
		t.Errorf("delivered form does not end with the sent form")
	}
	prefix := bytes.TrimSuffix(delivered.octets, sent)
	if at := ours.FindIndex(delivered.octets); at == nil || at[1] != len(prefix) {
		t.Errorf("whoever does not know the sent form ends the prefix at %v:\n%s", at, prefix)
	}
	for _, field := range []string{"Return-Path: <", "Received: by localhost id ", "X-Letter-Number: GP-", "X-Letter-Type: "} {
		if bytes.Count(prefix, []byte(field)) != 1 {
			t.Errorf("header prefix has no %s:\n%s", field, prefix)
		}
	}
	for _, s := range []stored{sentCopy, delivered} {
		index, err := message.Index(bytes.NewReader(s.octets), message.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(index, s.summary) {
			t.Errorf("summary is not that of the message:\n%q\nwant\n%q", s.summary, index)
		}
	}
}

// afterField is what follows a header field.
func afterField(t *testing.T, octets []byte, field string) []byte {
	t.Helper()
	_, rest, ok := bytes.Cut(octets, []byte(field))
	if !ok {
		t.Fatalf("no field %q in\n%.500s", field, octets)
	}
	_, rest, _ = bytes.Cut(rest, []byte("\r\n"))
	return rest
}
