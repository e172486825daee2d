package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gosbridge/certs"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// repeatWindow is how long the same letter is answered with its old number.
const repeatWindow = 24 * time.Hour

// submission is one letter on its way through Accept.
type submission struct {
	env    Envelope
	book   *Book
	body   body.Ref
	msg    *message.Message
	key    string // finds a repetition
	choice choice
	found  []policy.Violation // by the way, before the rules are asked
	twice  []policy.Violation // recipients for whom two suffixes choose differently
	// identity is what the suffix of the sender's address chooses.
	identity policy.Choice
	chosen   letter.Chosen  // what chose the type
	kind     string         // of an appeal
	header   message.Header // that goes out
	restored bool           // it is another than was received
	profile  policy.Profile
	answers  string        // registry id of the sender of the letter that this answers
	report   *certs.Report // of the client's signature; nil without one
	at       time.Time
}

// Accept takes a letter: octets from r until io.EOF. When it returns nil the
// letter is durable with all that belongs to it. Errors are a *policy.Refusal,
// which names every violation and is journalled, r's own error, or internal;
// then nothing is kept. With mailstore.ErrMaybeCommitted in the chain the letter
// may be there, and no refusal is journalled: sending it again finds out. A letter
// that the account sent within 24 hours, to the same recipients and of the same
// octets, is answered with its number.
func (in *Intake) Accept(ctx context.Context, env Envelope, r io.Reader) (Accepted, error) {
	parser := message.NewParser(in.limits)
	ref, err := in.store.Bodies().Put(ctx, io.TeeReader(r, parser))
	if err != nil {
		return Accepted{}, putError(err)
	}
	s := &submission{env: env, book: in.book.Load(), body: ref, msg: parser.Close(), at: in.now().UTC().Truncate(time.Millisecond)}
	answer, kept, err := in.decide(ctx, s)
	if !kept {
		in.discard(ctx, ref)
	}
	var refusal *policy.Refusal
	// Of a commit with unknown outcome nobody can say that it was refused.
	if errors.As(err, &refusal) && !errors.Is(err, mailstore.ErrMaybeCommitted) {
		in.journalRefusal(ctx, s, refusal)
	}
	return answer, err
}

// putError makes a disk that is full or fails a temporary refusal; all else is
// passed on.
func putError(err error) error {
	switch {
	case errors.Is(err, body.ErrFull):
		return errors.Join(policy.NewRefusal(policy.New(policy.StoreFull)), err)
	case errors.Is(err, body.ErrDisk):
		return errors.Join(policy.NewRefusal(policy.New(policy.StoreUnavailable)), err)
	}
	return err
}

// discard removes a body that no commit has named.
func (in *Intake) discard(ctx context.Context, ref body.Ref) {
	if err := in.store.Bodies().Discard(context.WithoutCancel(ctx), ref); err != nil {
		in.log.Warn("body of refused letter not discarded", "body", ref.Name, "err", err)
	}
}

// submissionKey is the same for the same octets in the same envelope.
func (s *submission) submissionKey() string {
	h := sha256.New()
	// A suffix is part of the envelope, by what it chooses, not by its spelling.
	from, choice := s.env.From, policy.Choice{}
	if n, ok := s.book.name(s.env.From, s.env.Who.Owns); ok {
		from, choice = n.address, n.choice
	}
	fmt.Fprintf(h, "%s\n%s\n%s\n", registry.Normalise(from), choice, s.env.ID)
	to := make([]string, len(s.env.Recipients))
	for i, r := range s.env.Recipients {
		to[i] = registry.Normalise(r.Address)
		if c := r.Choice.String(); c != "" {
			to[i] += "+" + c
		}
	}
	slices.Sort(to)
	fmt.Fprintf(h, "%q\n", to)
	h.Write(s.msg.SHA256[:])
	return letter.SubmissionKey(hex.EncodeToString(h.Sum(nil)))
}

// decide judges a stored letter and accepts it. kept tells whether a commit
// names its body, or may.
func (in *Intake) decide(ctx context.Context, s *submission) (answer Accepted, kept bool, err error) {
	if err := in.address(ctx, s); err != nil {
		return answer, false, err
	}
	if old, err := in.look(ctx, s); err != nil || old != nil {
		if old != nil {
			answer = *old
		}
		return answer, false, err
	}
	facts, err := in.facts(ctx, s)
	if err != nil {
		return answer, false, err
	}
	decision := s.book.Rules.Check(facts)
	if err := decision.Err(); err != nil {
		return answer, false, err
	}
	draft, err := in.draft(ctx, s, facts, decision)
	if err != nil {
		return answer, false, err
	}
	t, err := in.office.Accept(ctx, draft)
	if err != nil {
		return answer, false, unavailable(err, s.env.Who.Account)
	}
	old, err := in.commit(ctx, s, draft, t)
	if err != nil || old != nil {
		maybe := errors.Is(err, mailstore.ErrMaybeCommitted)
		if !maybe {
			err = errors.Join(err, t.Discard(context.WithoutCancel(ctx), in.store.Bodies()))
		}
		if old != nil && err == nil {
			answer = *old
		}
		return answer, maybe, unstored(err, s.env.Who.Account)
	}
	answer = accepted(draft.ID, draft.Number, draft.Type, draft.Outgoing)
	for _, a := range decision.Advice {
		answer.Advice = append(answer.Advice, a.En)
	}
	return answer, true, nil
}

// address sets the recipients of the letter. One book judges all of it: those
// that another one let in at RCPT are looked up again, and who is not to be
// reached any more refuses the letter.
func (in *Intake) address(ctx context.Context, s *submission) error {
	all := slices.Clone(s.env.Recipients)
	for i, r := range all {
		if r.book == s.book {
			continue
		}
		fresh, err := in.recipient(ctx, s.book, r)
		var refusal *policy.Refusal
		switch {
		case err == nil:
			all[i] = fresh
		case errors.As(err, &refusal):
			s.found = append(s.found, refusal.Violations...)
		default:
			return err
		}
	}
	s.env.Recipients, s.twice = s.book.merge(all)
	s.key = s.submissionKey()
	return nil
}

// accepted is the answer that a letter got or gets again.
func accepted(id mailstore.ID, number, letterType string, out letter.Outgoing) Accepted {
	return Accepted{
		Letter: id, Number: number, Type: letterType, Recipients: len(out.Recipients), RecallUntil: out.Recall,
	}
}

// look reads what the account already has: the same submission, and the
// letter that this one answers.
func (in *Intake) look(ctx context.Context, s *submission) (old *Accepted, err error) {
	s.choice = chooseOptions(s.msg.Header)
	err = in.store.View(ctx, s.env.Who.Account.ID, func(tx mailstore.Tx) error {
		if old, err = in.repeated(tx, s); err != nil || old != nil {
			return err
		}
		s.answers, err = correspondent(tx, s.msg.Header)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up submission: %w", err)
	}
	return old, nil
}

// repeated finds the letter that the same submission has become.
func (in *Intake) repeated(tx mailstore.Tx, s *submission) (*Accepted, error) {
	if s.choice.repeat {
		return nil, nil
	}
	filter := mailstore.LetterFilter{Role: mailstore.Sender, Key: s.key, Since: s.at.Add(-repeatWindow), Limit: 1}
	for rec, err := range tx.Letters(filter) {
		if err != nil {
			return nil, err
		}
		out, err := letter.DecodeOutgoing(rec)
		if err != nil {
			return nil, err
		}
		old := accepted(rec.ID, rec.Number, rec.Type, out)
		old.Repeat = true
		if s := letter.State(rec.State); s == letter.Recalled || s == letter.Undeliverable {
			old.RecallUntil = time.Time{}
			old.Advice = []string{"that letter is " + rec.State + "; with X-Letter-Repeat: yes it is sent anew"}
		}
		return &old, nil
	}
	return nil, nil
}

// correspondent is the registry id of the sender of the letter that a header
// answers; "" when it answers none that the account received.
func correspondent(tx mailstore.Tx, h message.Header) (string, error) {
	for _, id := range strings.Fields(h.Get("In-Reply-To")) {
		filter := mailstore.LetterFilter{Role: mailstore.Recipient, Key: letter.MessageIDKey(id), Limit: 1}
		for rec, err := range tx.Letters(filter) {
			if err != nil {
				return "", err
			}
			received, err := letter.DecodeIncoming(rec)
			return received.Correspondent, err
		}
	}
	return "", nil
}

// commitTries bounds how often a commit of unknown outcome is repeated.
const commitTries = 3

// commit is the one Update of a letter. The client may be gone by now; the
// letter is complete, so its context no longer counts. A commit of unknown
// outcome is repeated: the letter's ID tells whether it had happened. As long
// as none of the tries has found out, the outcome stays unknown, however the
// last one failed.
func (in *Intake) commit(ctx context.Context, s *submission, d letter.Draft, t *letter.Transition) (old *Accepted, err error) {
	ctx = context.WithoutCancel(ctx)
	unknown := false
	for range commitTries {
		err = in.store.Update(ctx, d.Owner.ID, func(tx mailstore.UpdateTx) (err error) {
			old = nil
			if _, err := tx.Letter(d.ID, mailstore.Sender); !errors.Is(err, mailstore.ErrNoLetter) {
				return err // nil: an earlier try was committed after all
			}
			// Two sessions at once make one letter.
			if old, err = in.repeated(tx, s); err != nil || old != nil {
				return err
			}
			// Its session ends too, but may have had the letter in hand.
			if err := stillWelcome(tx, s.env.Who.Credential); err != nil {
				return err
			}
			return letter.Apply(tx, t)
		})
		unknown = unknown || errors.Is(err, mailstore.ErrMaybeCommitted)
		if err == nil || !unknown {
			return old, err
		}
	}
	return nil, errors.Join(mailstore.ErrMaybeCommitted, err)
}

// stillWelcome refuses the letter of an account that was blocked meanwhile, or
// whose credential was revoked.
func stillWelcome(tx mailstore.Tx, credential mailstore.ID) error {
	a, err := tx.Account()
	if err != nil {
		return err
	}
	if a.Disabled {
		return turnedAway(policy.AccountBlocked)
	}
	c, err := tx.Credential(credential)
	if errors.Is(err, mailstore.ErrNoCredential) || c.Revoked {
		return turnedAway(policy.CredentialsInvalid)
	}
	return err
}

// turnedAway refuses a letter for a reason at the door. The reply code of the
// catalogue is one for AUTH (RFC 4954 §6).
func turnedAway(why policy.Code) error {
	v := policy.New(why)
	v.SMTP, v.Enhanced = 550, [3]int{5, 7, 1}
	return policy.NewRefusal(v)
}

// unavailable gives failures of our own side their temporary refusal; the
// cause stays in the chain for the log.
func unavailable(err error, who mailstore.Account) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mailstore.ErrQuota):
		return errors.Join(policy.NewRefusal(policy.New(policy.Quota, policy.Octets(who.Quota))), err)
	case errors.Is(err, mailstore.ErrFull), errors.Is(err, body.ErrFull):
		return errors.Join(policy.NewRefusal(policy.New(policy.StoreFull)), err)
	}
	return err
}

// unstored is unavailable for a commit: whatever else it failed of, it is the
// store that the client has to wait for.
func unstored(err error, who mailstore.Account) error {
	err = unavailable(err, who)
	var refusal *policy.Refusal
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return errors.Join(policy.NewRefusal(policy.New(policy.StoreUnavailable)), err)
}

// journalRefusal writes down that a letter was refused, and why. A refusal
// stands whether or not this can be written.
func (in *Intake) journalRefusal(ctx context.Context, s *submission, r *policy.Refusal) {
	codes := make([]string, len(r.Violations))
	for i, v := range r.Violations {
		codes[i] = string(v.Code)
	}
	entry := journal.NewEntry(s.at, journal.Rejected, journal.Details{
		"reasons": strings.Join(codes, "\n"), "type": s.profile.Type, "sha256": hex.EncodeToString(s.msg.SHA256[:]),
		"recipients": fmt.Sprint(len(s.env.Recipients)), "credential": s.env.Who.Name, "address": s.env.Who.Remote.String(),
	})
	err := in.store.Update(context.WithoutCancel(ctx), s.env.Who.Account.ID, func(tx mailstore.UpdateTx) error {
		_, err := journal.Append(tx, entry)
		return err
	})
	if err != nil {
		in.log.Error("refusal not journalled", "account", s.env.Who.Account.ID, "err", err)
	}
}
