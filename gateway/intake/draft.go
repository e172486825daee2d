package intake

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gosbridge/certs"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// draft makes a letter of a submission that may go: number, sent form,
// signature and the facts of its evidence.
func (in *Intake) draft(ctx context.Context, s *submission, f policy.Letter, d policy.Decision) (letter.Draft, error) {
	signer := in.signer(s, f)
	sent, err := in.sentForm(ctx, s, signer)
	if err != nil {
		return letter.Draft{}, fmt.Errorf("sent form: %w", err)
	}
	form, summary, err := in.describe(ctx, s, sent)
	if err != nil {
		return letter.Draft{}, err
	}
	number, err := in.numbers.Take(ctx, s.at)
	if err != nil {
		return letter.Draft{}, unavailable(err, s.env.Who.Account)
	}
	who := s.env.Who
	id := mailstore.NewID()
	out := letter.Outgoing{
		Facts: in.evidence(s, f, d, form, signer), Subject: f.Subject, Registry: f.Sender.ID,
		References: references(s.msg.Header), Accepted: s.at, Depth: depth(s.choice, who), Language: who.Settings.Language,
		Automatic: automatic(s.msg), Handover: s.profile.Handover, Recipients: in.recipients(s),
	}
	out.Facts.Letter.ID, out.Facts.Letter.Number = id, number
	out.Kind, out.Fields, out.Chosen = s.kind, s.told(f.Fields), s.chosen
	for _, a := range d.Advice {
		out.Advice = append(out.Advice, string(a.Code))
	}
	if s.profile.Acknowledged() {
		out.Term, _ = s.profile.TermFor(s.choice.term, s.at)
	}
	recall, window := s.profile.RecallFor(s.choice.waived, false)
	if recall != policy.RecallNone {
		out.Recall = s.at.Add(window)
	}
	out.KeepSent, out.KeepReceived = s.profile.KeepSent, s.profile.KeepReceived
	out.GiveUp = s.at.Add(s.profile.DelayFailure.Std())
	if recall == policy.RecallHold { // its time begins when it goes out
		out.Hold = out.Recall
		out.GiveUp = out.Hold.Add(s.profile.DelayFailure.Std())
	}
	if h := sentHeader(s.header, false); len(h) <= letter.HeaderLimit {
		out.Header = h
	}
	copied, err := s.copyOf(id, number, sent, summary)
	if err != nil {
		return letter.Draft{}, err
	}
	return letter.Draft{
		ID: id, Number: number, Type: s.profile.Type, Owner: who.Account, Outgoing: out, Copy: copied, Sent: sent, Summary: summary,
		Keys:       letter.Keys(number, out.Facts.Letter.MessageID, s.key),
		Credential: who.Name, Remote: who.Remote.String(),
	}, nil
}

// signer is the organisation's key where the profile wants a signature that
// the letter does not carry; nil where it is not needed.
func (in *Intake) signer(s *submission, f policy.Letter) certs.DetachedSigner {
	if s.profile.Signature != policy.Required || f.Signature != policy.SignatureNone || !f.GatewaySigns {
		return nil
	}
	return s.book.Signers[s.env.Who.Settings.Registry]
}

// evidence fills what all evidence of the letter says.
func (in *Intake) evidence(s *submission, f policy.Letter, d policy.Decision, form receipt.Content, signer certs.DetachedSigner) receipt.Evidence {
	who := s.env.Who
	ev := receipt.Evidence{
		Letter: receipt.Letter{
			Type: s.profile.Type, Case: s.choice.letterCase, EnvelopeID: s.env.ID, MessageID: letter.MessageID(s.msg.Header),
		},
		Profile: receipt.Profile{Name: d.Profile, SHA256: d.Digest},
		Sender: receipt.Sender{
			Account: who.Account.ID, Address: strings.ToLower(s.env.From), Name: f.Sender.Name,
			INN: f.Sender.INN, OGRN: f.Sender.OGRN, Assurance: string(who.Assurance),
		},
		Submitted: receipt.Content{SHA256: s.msg.SHA256, Size: s.msg.Size},
		Signature: signature(s, f, signer),
	}
	if form != ev.Submitted {
		ev.Sent = form
	}
	for _, part := range s.msg.Files() {
		ev.Files = append(ev.Files, receipt.File{
			Name: part.Filename, Type: part.MediaType, Size: part.DecodedSize, SHA256: part.SHA256,
		})
	}
	return ev
}

// recipients are those of the letter, as the registry knows them.
func (in *Intake) recipients(s *submission) []letter.Recipient {
	hash := receipt.Digest(s.book.Registry.Hash())
	blind := s.hidden()
	out := make([]letter.Recipient, len(s.env.Recipients))
	for i, r := range s.env.Recipients {
		out[i] = letter.Recipient{
			Party: receipt.Recipient{
				Address: r.Address, Name: r.Entry.Name, RegistryID: r.Entry.ID, Registry: hash, INN: r.Entry.INN, OGRN: r.Entry.OGRN,
			},
			Account: r.Account, Blind: blind[i], Notify: r.Notify, Original: r.Original,
		}
	}
	return out
}

// copyOf is the message for the mailbox of sent letters: the sent form after
// the gateway's header. It is read: nobody has to open what they sent.
func (s *submission) copyOf(id mailstore.ID, number string, sent mailstore.Content, summary []byte) (mailstore.NewMessage, error) {
	form, err := message.DecodeSummary(summary)
	if err != nil {
		return mailstore.NewMessage{}, fmt.Errorf("sent copy: %w", err)
	}
	prefix := letter.Header(number, s.profile.Type)
	sent.Prefix = append(slices.Clone(prefix), sent.Prefix...)
	return mailstore.NewMessage{
		EmailID: mailstore.NewID(), LetterID: id, Received: s.at, Flags: mailstore.Seen,
		Summary: form.WithPrefix(prefix), Content: sent,
	}, nil
}

// references are the Message-IDs of the thread before this letter
// (RFC 5322 §3.6.4).
func references(h message.Header) []string {
	if ids := strings.Fields(h.Get("References")); len(ids) > 0 {
		return ids
	}
	return strings.Fields(h.Get("In-Reply-To"))
}
