package mailstore

import (
	"context"
	"iter"
)

// Text is what searches look through of one message, so that they need not open
// it. Its form is the gateway's; it is opaque here, and as secret as the
// message.
type Text struct {
	Account ID // for Put
	EmailID ID
	UID     UID // from Scan
	Head    []byte
	Body    []byte
}

// TextParts says what of a Text Scan loads.
type TextParts uint8

// The parts of a Text.
const (
	TextHead TextParts = 1 << iota
	TextBody
)

// Texts keeps the texts of messages beside them. It is derived: it is never
// part of an Update, lags behind the messages, and may be lost as a whole, at
// any moment, without anything being lost but time. Who reads it must be right
// for a message that has no text. All rows of a message share one text; copying
// and moving cost nothing.
//
// All methods are safe for concurrent use.
type Texts interface {
	// Behind waits for accounts whose texts may lag behind their messages, and
	// returns them: every one after the store was opened or texts were lost,
	// then those that commits have touched since the last call. ctx's error, or
	// ErrClosed.
	Behind(ctx context.Context) ([]ID, error)
	// Settle forgets the texts of messages that are gone, and gives the rows of
	// messages that were copied or moved their text. It returns rows that have
	// none, each with its EmailID, limit at most; none when there are no
	// others, or no texts can be kept. ErrNoAccount.
	Settle(ctx context.Context, account ID, limit int) ([]Lacking, error)
	// Put keeps texts, of any accounts, durably. A message that is gone or has
	// a text is passed over, so a repetition is harmless.
	Put(ctx context.Context, texts []Text) error
	// Scan yields the texts of the messages of set, which names UIDs that exist
	// and not "*", ascending; a message that has none is left out. The Text and
	// its octets are valid until the next one is yielded. Damage is no error:
	// the texts are then lost.
	Scan(ctx context.Context, account ID, box MailboxID, set UIDSet, parts TextParts) iter.Seq2[*Text, error]
	// Drop forgets all texts of an account, which is then behind.
	Drop(ctx context.Context, account ID) error
}

// Lacking is a row whose message has no text.
type Lacking struct {
	Location
	EmailID ID
}
