package letter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
	"gosbridge/policy"
)

// DispatchClass is the queue class of letters that wait to go out. The item
// belongs to the sender's account; package delivery works on it.
const DispatchClass = "deliver"

// Draft is a letter that passed every check and waits to be accepted.
type Draft struct {
	ID       mailstore.ID
	Number   string
	Type     string
	Keys     []string // that the record can be found by
	Owner    mailstore.Account
	Outgoing Outgoing // Recipients in state "", without steps
	// Copy is the sent form with its header prefix, for the mailbox of sent
	// letters.
	Copy mailstore.NewMessage
	// Sent is the sent form, for the recipients, and Summary what lists need
	// of it.
	Sent    mailstore.Content
	Summary []byte
	// Who is told in the journal: name of the credential, client's address.
	Credential string
	Remote     string
}

// Accept prepares the transition that makes a letter of a draft: Sent copy,
// record, queue item, journal and the signed acceptance. Only when Apply has
// been committed is the letter accepted.
func (o *Office) Accept(ctx context.Context, d Draft) (*Transition, error) {
	out := d.Outgoing
	out.Format = recordFormat
	out.Dispatch = derive(d.ID, DispatchClass)
	out.Copy = d.Copy.EmailID
	to := make([]receipt.Recipient, len(out.Recipients))
	for i := range out.Recipients {
		r := &out.Recipients[i]
		r.State, r.Steps = Accepted, []Step{{State: Accepted, At: out.Accepted}}
		to[i] = r.Party
	}
	b := &builder{
		office: o, maker: o.maker.Load(), ctx: ctx, owner: d.Owner, out: out, t: &Transition{},
		rec: mailstore.Letter{ID: d.ID, Role: mailstore.Sender, Number: d.Number, Type: d.Type, At: out.Accepted},
	}
	if err := b.accept(d, to); err != nil {
		b.abandon()
		return nil, fmt.Errorf("accept letter %s: %w", d.Number, err)
	}
	return b.t, nil
}

// accept fills the transition.
func (b *builder) accept(d Draft, to []receipt.Recipient) error {
	sealed, err := b.prove(receipt.SubmissionAcceptance, to, Change{At: b.out.Accepted})
	if err != nil {
		return err
	}
	if err := b.send(sealed, nil, Accepted); err != nil {
		return err
	}
	b.t.journal = append(b.t.journal, journal.NewEntry(b.out.Accepted, journal.Accepted, journal.Details{
		"letter": d.ID.String(), "number": d.Number, "type": d.Type,
		"recipients": fmt.Sprint(len(to)), "sha256": b.out.Facts.Submitted.SHA256.String(),
		"credential": d.Credential, "address": d.Remote,
		"evidence": sealed.ID.String(), "evidence-sha256": receipt.Digest(sealed.Hash).String(),
	}))
	item, err := dispatchItem(b.out, d)
	if err != nil {
		return err
	}
	b.t.items = append(b.t.items, item)
	d.Copy.Keywords = keywords(Accepted, b.out.Held())
	b.t.mails = append([]filed{{role: mailstore.RoleSent, message: d.Copy}}, b.t.mails...)
	b.t.kept = keptFor(d.Copy.EmailID, d.ID, b.out.Accepted, b.out.KeepSent)
	if err := b.finish(); err != nil {
		return err
	}
	b.t.record.Keys = d.Keys
	return nil
}

// dispatch is the payload of an item of DispatchClass: the sent form but for
// its body, which is the item's, and its summary.
type dispatch struct {
	Prefix  []byte `json:"prefix,omitempty"`
	Offset  int64  `json:"offset"`
	Length  int64  `json:"length"`
	Suffix  []byte `json:"suffix,omitempty"`
	Summary []byte `json:"summary"`
}

func dispatchItem(out Outgoing, d Draft) (mailstore.Item, error) {
	payload, err := json.Marshal(dispatch{
		Prefix: d.Sent.Prefix, Offset: d.Sent.Offset, Length: d.Sent.Length, Suffix: d.Sent.Suffix,
		Summary: d.Summary,
	})
	if err != nil {
		return mailstore.Item{}, fmt.Errorf("encode dispatch: %w", err)
	}
	due := out.Accepted
	if !out.Hold.IsZero() {
		due = out.Hold
	}
	return mailstore.Item{
		ID: out.Dispatch, Account: d.Owner.ID, Class: DispatchClass, Due: due, Letter: d.ID,
		Payload: payload, Bodies: []body.Ref{d.Sent.Body},
	}, nil
}

// Sendable is the sent form of a letter with its summary.
type Sendable struct {
	Content mailstore.Content
	Summary *message.Summary
}

// SentForm reads the sent form of a letter from its queue item.
func SentForm(it mailstore.Item) (Sendable, error) {
	var d dispatch
	if err := json.Unmarshal(it.Payload, &d); err != nil {
		return Sendable{}, fmt.Errorf("dispatch %s: %w: %w", it.ID, mailstore.ErrDamaged, err)
	}
	summary, err := message.DecodeSummary(d.Summary)
	if err != nil {
		return Sendable{}, fmt.Errorf("dispatch %s: %w: %w", it.ID, mailstore.ErrDamaged, err)
	}
	c := mailstore.Content{Prefix: d.Prefix, Offset: d.Offset, Length: d.Length, Suffix: d.Suffix}
	if len(it.Bodies) == 1 {
		c.Body = it.Bodies[0]
	} else if c.Length > 0 {
		return Sendable{}, fmt.Errorf("dispatch %s: %w: %d bodies", it.ID, mailstore.ErrDamaged, len(it.Bodies))
	}
	return Sendable{Content: c, Summary: summary}, nil
}

// Header is the gateway's header prefix of a letter, lines with CRLF.
func Header(number, letterType string) []byte {
	return fmt.Appendf(nil, "X-Letter-Number: %s\r\nX-Letter-Type: %s\r\n", number, letterType)
}

// AckUntil is the header of received letters that wait for an acknowledgement.
func AckUntil(until time.Time) []byte {
	return fmt.Appendf(nil, "X-Letter-Ack-Until: %s\r\n", until.In(Moscow).Format(time.RFC1123Z))
}

// kindHeader tells the kind of an appeal to its recipient.
const kindHeader = "X-Letter-Kind"

// fieldHeaders are the header fields that tell the recipient of the sender, by
// the names of policy.Fields.
var fieldHeaders = map[string]string{
	policy.FieldName:     "X-Letter-Sender-Name",
	policy.FieldIdentity: "X-Letter-Sender-ID",
	policy.FieldPhone:    "X-Letter-Sender-Phone",
	policy.FieldEmail:    "X-Letter-Sender-Email",
}

// FieldHeaders are those names, sorted: only the gateway writes such fields.
func FieldHeaders() []string { return slices.Sorted(maps.Values(fieldHeaders)) }

// appealHeader is what the body that an appeal goes to is told of it.
func appealHeader(out Outgoing) []byte {
	var b bytes.Buffer
	if out.Kind != "" {
		fmt.Fprintf(&b, "%s: %s\r\n", kindHeader, out.Kind)
	}
	for _, f := range out.Fields {
		if name, ok := fieldHeaders[f.Name]; ok {
			// Encoded words are no longer than 75; each begins a line (RFC 2047 §2).
			value := strings.ReplaceAll(mime.BEncoding.Encode("utf-8", f.Value), "?= =?", "?=\r\n =?")
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	return b.Bytes()
}
