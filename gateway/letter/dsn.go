package letter

import (
	"bytes"
	"slices"

	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
)

// notify adds the plain notification that the client asked for with NOTIFY
// (RFC 3461 §4.1): of the delivery, or of the failure. It goes to INBOX, as any
// other mail server's would; the signed receipts are beside it, not instead of
// it. The letter's header is returned, never its body.
func (b *builder) notify(evidence mailstore.ID, r *Recipient, step Step, c Change) error {
	outcome := receipt.Outcome{
		Address: r.Party.Address, Original: r.Original, LastTry: step.At, Action: receipt.Delivered, Status: "2.1.5",
	}
	wanted := "SUCCESS"
	switch step.State {
	case Delivered:
	case Undeliverable:
		wanted = "FAILURE"
		outcome.Action, outcome.Status = receipt.Failed, "5.0.0"
		if c.Reason.Status != "" {
			outcome.Status = c.Reason.Status
		}
	default:
		return nil
	}
	if !slices.Contains(r.Notify, wanted) {
		return nil
	}
	id := derive(evidence, "dsn")
	var octets bytes.Buffer
	err := b.maker.Notify(&octets, receipt.Notice{
		ID: id, To: b.out.Facts.Sender.Address, Language: b.out.Language, At: step.At,
		EnvelopeID: b.out.Facts.Letter.EnvelopeID, Arrival: b.out.Accepted,
		MessageID: b.out.Facts.Letter.MessageID, References: b.out.References,
		Number: b.rec.Number, Subject: b.out.Subject,
		Recipients: []receipt.Outcome{outcome}, Original: bytes.NewReader(b.out.Header),
	})
	if err != nil {
		return err
	}
	mail, err := storeMail(b.ctx, b.office.store, id, octets.Bytes(), step.At)
	if err != nil {
		return err
	}
	b.t.bodies = append(b.t.bodies, mail.Content.Body)
	b.t.mails = append(b.t.mails, filed{role: mailstore.RoleInbox, message: mail})
	return nil
}
