package intake_test

import (
	"strings"
	"testing"

	"gosbridge/gateway/intake"
)

// take submits octets that must be accepted.
func take(t *testing.T, r *rig, env intake.Envelope, octets string) intake.Accepted {
	t.Helper()
	a, err := r.Accept(t.Context(), env, strings.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// No field in which a mail program names its identity keeps the suffix: an
// answer to it would choose a type.
func TestSuffixStaysWithTheSender(t *testing.T) {
	r := newRig(t)
	own := suffixed(sender, "notify")
	octets := mail("Reply-To: "+own, "Disposition-Notification-To: "+own, "Return-Receipt-To: <"+own+">")
	octets = strings.Replace(octets, "<"+sender+">", "<"+own+">", 1)
	if sent := r.sentForm(take(t, r, r.envelope(first), octets)); strings.Contains(sent, "+notify") || strings.Count(sent, sender) < 4 {
		t.Errorf("sent form:\n%s", sent)
	}
}

// The same account, envelope and octets are one letter, whatever the login's
// default is by now: the answer names its type. A suffix counts by what it
// chooses.
func TestRepetitionIsOfTheEnvelope(t *testing.T) {
	r := newRig(t)
	r.who.Settings.Type = "simple"
	simple := take(t, r, r.envelope(first), mail())
	r.who.Settings.Type = "notify"
	if again := take(t, r, r.envelope(first), mail()); !again.Repeat || again.Number != simple.Number || again.Type != "simple" {
		t.Errorf("with another default: %+v", again)
	}
	env := r.envelope(first)
	env.From = suffixed(sender, "ezp")
	short := take(t, r, env, mail("X-A: b"))
	env.From = suffixed(sender, "registered-ezp")
	if long := take(t, r, env, mail("X-A: b")); !long.Repeat || long.Number != short.Number {
		t.Errorf("another word for the type: %+v, want %+v again", long, short)
	}
}

// What recipients' suffixes choose does not count where a higher level speaks.
func TestHigherLevelEndsTheConflict(t *testing.T) {
	r := newRig(t)
	env := r.envelope(suffixed(second, "notify"), suffixed(other, "simple"))
	if a := take(t, r, env, mail("X-Letter-Type: free")); a.Type != "free" {
		t.Errorf("type %s", a.Type)
	}
}
