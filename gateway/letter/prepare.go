package letter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// builder turns changes into a transition.
type builder struct {
	office *Office
	maker  *receipt.Maker // one for all of the transition
	ctx    context.Context
	rec    mailstore.Letter
	out    Outgoing
	owner  mailstore.Account
	t      *Transition
}

// abandon removes the bodies of a transition that cannot be finished; what
// cannot be removed is the sweep's.
func (b *builder) abandon() {
	if err := b.t.Discard(context.WithoutCancel(b.ctx), b.office.store.Bodies()); err != nil {
		b.office.log.Warn("abandoned receipt not discarded", "letter", b.rec.ID, "err", err)
	}
}

// change walks one recipient along the route of an event, with a journal
// entry for each step and evidence for those that were seen.
func (b *builder) change(c Change) error {
	if c.Recipient < 0 || c.Recipient >= len(b.out.Recipients) {
		return fmt.Errorf("recipient %d of %d", c.Recipient, len(b.out.Recipients))
	}
	r := &b.out.Recipients[c.Recipient]
	way := r.State.route(c.Event)
	if way == nil {
		return b.confirm(r, c)
	}
	for i, event := range way {
		to, _ := r.State.next(event)
		step := Step{State: to, At: c.At.UTC(), Inferred: i < len(way)-1}
		r.State = to
		r.Steps = append(r.Steps, step)
		if to == Undeliverable {
			r.Reason = c.Reason.Code
		}
		if err := b.record(r, c, step); err != nil {
			return err
		}
	}
	return nil
}

// confirm gives an inferred step its true time and its evidence, when the
// event that was inferred arrives after all. Everything else is a repetition.
func (b *builder) confirm(r *Recipient, c Change) error {
	for _, m := range table {
		if m.Event != c.Event {
			continue
		}
		i := slices.IndexFunc(r.Steps, func(s Step) bool { return s.State == m.To && s.Inferred })
		if i < 0 {
			continue
		}
		r.Steps[i] = Step{State: m.To, At: c.At.UTC()}
		return b.record(r, c, r.Steps[i])
	}
	return nil
}

// kinds are the journal kinds of the states.
var kinds = map[State]string{
	Accepted: journal.Accepted, Processing: journal.State, Sent: journal.Sent, Delivered: journal.Delivered,
	Opened: journal.Opened, Recalled: journal.Recalled, Undeliverable: journal.Undelivered,
}

// proof is the evidence that a state gives rise to.
func (o Outgoing) proof(s State) (receipt.Event, bool) {
	switch s {
	case Delivered:
		return receipt.ContentConsignment, true
	case Opened:
		return receipt.ContentHandover, o.Handover
	case Recalled:
		return receipt.Recall, true
	case Undeliverable:
		return receipt.ContentConsignmentFailure, true
	}
	return "", false
}

// record adds the journal entry of a step, and its evidence with the receipt
// if it has one.
func (b *builder) record(r *Recipient, c Change, step Step) error {
	details := journal.Details{
		"letter": b.rec.ID.String(), "number": b.rec.Number, "type": b.rec.Type,
		"counterpart": r.Party.Address, "state": string(step.State),
	}
	maps.Copy(details, c.By)
	if step.Inferred {
		details["inferred"] = "true"
	}
	if event, ok := b.out.proof(step.State); ok && !step.Inferred {
		sealed, err := b.prove(event, []receipt.Recipient{r.Party}, c)
		if err != nil {
			return err
		}
		details["evidence"] = sealed.ID.String()
		details["evidence-sha256"] = receipt.Digest(sealed.Hash).String()
		if err := b.send(sealed, r, step.State); err != nil {
			return err
		}
		if err := b.notify(sealed.ID, r, step, c); err != nil {
			return err
		}
	}
	b.t.journal = append(b.t.journal, journal.NewEntry(step.At, kinds[step.State], details))
	return nil
}

// prove seals the next evidence of the letter's chain.
func (b *builder) prove(event receipt.Event, to []receipt.Recipient, c Change) (receipt.Sealed, error) {
	ev := b.out.Facts
	ev.Event, ev.At, ev.Recipients = event, c.At, to
	ev.Previous = receipt.Digest(b.out.Last)
	if event == receipt.ContentConsignment && b.out.Waits() {
		ev.Expected = TermEnd(c.At, b.out.Term)
	}
	if c.Reason.Code != "" {
		ev.Reasons = []receipt.Reason{c.Reason}
	}
	sealed, err := b.maker.Seal(ev)
	if err != nil {
		return sealed, err
	}
	b.out.Last = sealed.Hash
	data, err := encode(StoredEvidence{JSON: sealed.JSON, XML: sealed.XML})
	if err != nil {
		return sealed, err
	}
	b.t.evidence = append(b.t.evidence, mailstore.Evidence{
		ID: sealed.ID, Letter: b.rec.ID, Event: string(event), At: sealed.Evidence.At, Hash: sealed.Hash, Data: data,
	})
	return sealed, nil
}

// send files the receipt of an evidence with the sender; the recipient gets a
// copy of the consignment and of a recall through the queue. A letter that was
// sent automatically gets none but of its failure.
func (b *builder) send(s receipt.Sealed, r *Recipient, state State) error {
	if b.out.Automatic && state != Undeliverable {
		return nil // nothing automatic is answered (RFC 3834 §2)
	}
	to := receipt.Mailing{
		To: b.owner.Addresses[0], Language: b.out.Language, Depth: b.out.Depth, State: string(state),
		Subject: b.out.Subject, MessageID: b.out.Facts.Letter.MessageID, References: b.out.References,
		OriginalHeader: b.out.Header,
	}
	if state == Accepted {
		to.RecallUntil = b.out.Recall
	}
	if r != nil {
		to.OriginalRecipient = r.Original
	}
	mail, err := b.mail(s, to)
	if err != nil {
		return err
	}
	b.t.mails = append(b.t.mails, filed{role: mailstore.RoleReceipts, message: mail.message})
	if state == Undeliverable {
		inbox := mail.message
		inbox.EmailID = derive(s.ID, "inbox")
		b.t.mails = append(b.t.mails, filed{role: mailstore.RoleInbox, message: inbox})
	}
	if r == nil || r.Account == b.owner.ID || state != Delivered && !recalledFrom(r) {
		return nil
	}
	return b.copyTo(s, r, mail)
}

// recalledFrom reports whether the letter was taken out of the recipient's
// mailbox, so that they are told.
func recalledFrom(r *Recipient) bool {
	return r.State == Recalled && slices.ContainsFunc(r.Steps, func(s Step) bool { return s.State == Delivered })
}

// copyTo queues a copy of a receipt for the recipient's account.
func (b *builder) copyTo(s receipt.Sealed, r *Recipient, mail posted) error {
	msg, err := b.readdress(s, mail, r.Party.Address)
	if err != nil {
		return err
	}
	index := slices.IndexFunc(b.out.Recipients, func(o Recipient) bool { return o.Account == r.Account })
	it, err := noticeItem(b.rec.ID, r.Account, notice{
		Kind: noticeCopy, Recipient: index, At: s.Evidence.Issued,
		Mail: &mailCopy{
			EmailID: derive(s.ID, "copy"), Prefix: msg.Content.Prefix, Offset: msg.Content.Offset,
			Length: msg.Content.Length, Summary: msg.Summary,
		},
	})
	if err != nil {
		return err
	}
	it.ID = derive(s.ID, "copy")
	it.Bodies = append(it.Bodies, msg.Content.Body)
	b.t.items = append(b.t.items, it)
	return nil
}

// finish encodes the record as the changes left it.
func (b *builder) finish() error {
	if b.t.Empty() {
		return nil
	}
	state := b.out.State()
	data, err := encode(b.out)
	if err != nil {
		return err
	}
	b.rec.Data, b.rec.State, b.rec.Keys = data, string(state), nil
	b.t.record = b.rec
	b.t.shown, b.t.held = state, b.out.Held()
	b.t.rest, err = newNotice(b.rec.ID, b.owner.ID, noticeShow, 0, b.office.now())
	b.t.rest.ID = derive(b.rec.ID, fmt.Sprintf("%s/%d", noticeShow, b.rec.Version)) // one for each change
	return err
}

// StoredEvidence is the Data of mailstore.Evidence: both encodings, as JSON.
type StoredEvidence struct {
	JSON []byte `json:"json"`
	XML  []byte `json:"xml"`
}

// TermEnd is when a term that starts at from ends: at 24:00 in Moscow of its
// last day. A term without end has the zero time.
func TermEnd(from time.Time, term policy.Period) time.Time {
	if term.Unlimited {
		return time.Time{}
	}
	day := term.After(from.In(Moscow))
	return time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, Moscow).UTC()
}
