package intake_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"gosbridge/gateway/intake"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// gate is a store whose bodies ask before they open.
type gate struct {
	mailstore.Store
	ask func(ctx context.Context) error
}

// Bodies implements mailstore.Store.
func (g *gate) Bodies() body.Store { return gatedBodies{g.Store.Bodies(), g} }

type gatedBodies struct {
	body.Store
	*gate
}

// Open implements body.Store.
func (b gatedBodies) Open(ctx context.Context, ref body.Ref, offset int64) (io.ReadCloser, error) {
	if err := b.ask(ctx); err != nil {
		return nil, err
	}
	return b.Store.Open(ctx, ref, offset)
}

// inspected is a letter with a PDF that has to be looked into, and the octets
// of that file. The subject tells letters apart.
func inspected(t *testing.T, subject string) (octets string, size int64) {
	t.Helper()
	pdf, err := os.ReadFile("../../testdata/documents/appeal.pdf")
	if err != nil {
		t.Fatal(err)
	}
	return "From: " + sender + "\r\nTo: " + first + "\r\nSubject: " + subject + "\r\nX-Letter-Type: notify\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b\r\nContent-Type: application/pdf\r\n" +
		"Content-Disposition: attachment; filename=act.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		lines76(pdf) + "\r\n--b--\r\n", int64(len(pdf))
}

// lines76 is base64 in lines of 76 (RFC 2045 §6.8).
func lines76(octets []byte) string {
	text := base64.StdEncoding.EncodeToString(octets)
	var b strings.Builder
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return b.String() + text
}

// untilAwaited returns when somebody waits for the budget, of which an octet
// must be left: it cannot be taken any more then. It ends early with done.
func untilAwaited(in *intake.Intake, done <-chan error) bool {
	for in.TakeBudget(1) {
		in.GiveBudget(1)
		select {
		case <-done:
			return false
		default:
			runtime.Gosched()
		}
	}
	return true
}

// whole checks that nobody holds any of the budget, but for what the test took.
func whole(t *testing.T, in *intake.Intake, held int64) {
	t.Helper()
	if !in.TakeBudget(intake.InspectBudget - held) {
		t.Error("budget not given back")
		return
	}
	in.GiveBudget(intake.InspectBudget - held)
}

// Inspections that need memory share one budget: the second waits until the
// first has given it back.
func TestInspectionsWait(t *testing.T) {
	opened, pass := make(chan struct{}), make(chan struct{})
	g := &gate{ask: func(context.Context) error { opened <- struct{}{}; <-pass; return nil }}
	r := newRig(t, func(s mailstore.Store) mailstore.Store { g.Store = s; return g })
	one, size := inspected(t, "One")
	two, _ := inspected(t, "Two")
	held := intake.InspectBudget - 2*size + 1 // not enough is left for two
	if !r.TakeBudget(held) {
		t.Fatal("budget in use")
	}
	submit := func(octets string) <-chan error {
		env, done := r.envelope(first), make(chan error, 1)
		go func() {
			_, err := r.Accept(t.Context(), env, strings.NewReader(octets))
			done <- err
		}()
		return done
	}
	firstDone := submit(one)
	select {
	case <-opened:
	case err := <-firstDone:
		t.Fatalf("it was not looked into: %v", err)
	}
	secondDone := submit(two)
	early := make(chan error, 1)
	go func() {
		if _, ok := <-opened; ok { // the second one looks into its file
			early <- nil
		}
	}()
	if !untilAwaited(r.Intake, early) {
		t.Error("the second inspection did not wait")
	}
	pass <- struct{}{}
	for _, done := range []<-chan error{firstDone, secondDone} {
		if done == secondDone {
			pass <- struct{}{}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	whole(t, r.Intake, held)
}

// The budget is given back however an inspection ends.
func TestBudgetIsGivenBack(t *testing.T) {
	broken := errors.New("disk gone")
	g := &gate{}
	r := newRig(t, func(s mailstore.Store) mailstore.Store { g.Store = s; return g })
	octets, size := inspected(t, "Test")
	for name, test := range map[string]struct {
		octets string
		ask    error
		want   error
	}{
		"accepted":   {octets: octets},
		"unreadable": {octets: strings.Replace(octets, "Subject: ", "Subject: Un", 1), ask: broken, want: broken},
		"damaged":    {octets: strings.Replace(octets, "\r\n--b--", "AAAA\r\n--b--", 1)},
	} {
		g.ask = func(context.Context) error {
			if r.TakeBudget(intake.InspectBudget - size + 1) {
				t.Errorf("%s: inspected without the budget", name)
			}
			return test.ask
		}
		_, err := r.Accept(t.Context(), r.envelope(first), strings.NewReader(test.octets))
		if test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		whole(t, r.Intake, 0)
	}
	// Whoever waits and gives up takes none.
	if !r.TakeBudget(intake.InspectBudget - 1) {
		t.Fatal("budget in use")
	}
	ctx, cancel := context.WithCancel(t.Context())
	env, done := r.envelope(first), make(chan error, 1)
	go func() {
		_, err := r.Accept(ctx, env, strings.NewReader(strings.Replace(octets, "Subject: ", "Subject: Late ", 1)))
		done <- err
	}()
	if !untilAwaited(r.Intake, done) {
		t.Fatal("it did not wait")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	whole(t, r.Intake, intake.InspectBudget-1)
}
