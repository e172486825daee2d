package letter

import (
	"encoding/json"
	"fmt"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// Class is the queue class of notices: what one side of a letter has to tell
// the other, or itself of work that is too much for one Update. Run works on
// them.
const Class = "letter"

// noticeKind is what a notice says.
type noticeKind string

const (
	noticeOpened    noticeKind = "opened"    // to the sender: the recipient read it
	noticeCopy      noticeKind = "copy"      // to the recipient: a receipt to file
	noticeWithdraw  noticeKind = "withdraw"  // to the recipient: take it out, if unopened
	noticeWithdrawn noticeKind = "withdrawn" // to the sender: it was taken out
	noticeTooLate   noticeKind = "too-late"  // to the sender: it had been opened
	noticeCancel    noticeKind = "cancel"    // to the account itself: more recipients of a recalled letter
	noticeShow      noticeKind = "show"      // to the account itself: more rows show the state
	noticeTakeOut   noticeKind = "take-out"  // to the account itself: more rows are taken out
)

// notice is the payload of a queue item of Class.
type notice struct {
	Kind      noticeKind `json:"kind"`
	Recipient int        `json:"recipient"`
	At        time.Time  `json:"at"`
	// Until is when the delivery of a letter that is asked back is given up.
	Until time.Time `json:"until,omitzero"`
	// By tells in the journal who asked, where that is not the other side.
	By   journal.Details `json:"by,omitempty"`
	Mail *mailCopy       `json:"mail,omitempty"`
}

// mailCopy is a mail that travels with a notice: a prefix and a range of the body,
// which is the item's.
type mailCopy struct {
	EmailID mailstore.ID `json:"email_id"`
	Prefix  []byte       `json:"prefix,omitempty"`
	Offset  int64        `json:"offset,omitempty"`
	Length  int64        `json:"length"`
	Summary []byte       `json:"summary"`
}

// newNotice makes the queue item; its ID follows from what it says, so that
// it is sent once.
func newNotice(letter, to mailstore.ID, kind noticeKind, recipient int, at time.Time) (mailstore.Item, error) {
	return noticeItem(letter, to, notice{Kind: kind, Recipient: recipient, At: at})
}

func noticeItem(letter, to mailstore.ID, n notice) (mailstore.Item, error) {
	payload, err := json.Marshal(n)
	if err != nil {
		return mailstore.Item{}, fmt.Errorf("encode notice: %w", err)
	}
	return mailstore.Item{
		ID:      derive(letter, fmt.Sprintf("%s/%d", n.Kind, n.Recipient)),
		Account: to, Class: Class, Due: n.At, Letter: letter, Payload: payload,
	}, nil
}

func decodeNotice(it mailstore.Item) (notice, error) {
	var n notice
	if err := json.Unmarshal(it.Payload, &n); err != nil {
		return n, fmt.Errorf("notice %s: %w: %w", it.ID, mailstore.ErrDamaged, err)
	}
	return n, nil
}
