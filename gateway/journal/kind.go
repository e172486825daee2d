package journal

// The kinds of entries: what happened, in the clear in every record. The set
// grows; a kind is never renamed, for records live ten years.
const (
	// Letters, in the account that the entry belongs to.
	Accepted     = "accepted"     // a letter was taken: the 250, with the hash of its evidence
	Rejected     = "rejected"     // a letter was refused in the dialogue, with the reason codes
	State        = "state"        // a letter changed its state; the states that have no kind of their own
	Held         = "held"         // a letter waits for its recall time
	Sent         = "sent"         // handed to the next hop, which took it
	Delivered    = "delivered"    // put into the recipient's mailbox
	Received     = "received"     // came into this account's mailbox
	Undelivered  = "undelivered"  // given up
	Opened       = "opened"       // a person opened it
	Acknowledged = "acknowledged" // a person acknowledged it
	Refused      = "refused"      // the recipient refused it
	Expired      = "expired"      // the term ended without an act
	Recalled     = "recalled"     // taken back within the recall time
	RecallAsked  = "recall-asked" // the sender asked a delivered letter back
	TooLate      = "too-late"     // it had been opened before it was asked back
	Annulled     = "annulled"     // annulled after hand-over
	Reminded     = "reminded"     // a reminder went out
	Appeal       = "appeal"       // an act of the body that holds an appeal
	Receipt      = "receipt"      // a receipt was filed, with the hash of its evidence
	Signature    = "signature"    // a signature was verified or made

	// Retention.
	Warned    = "retention-warned"    // the owner was told of letters whose term ends
	Extended  = "extended"            // a letter is kept longer, for its owner wants it
	LegalHold = "legal-hold"          // a letter or the account must not lose anything
	Released  = "released"            // and that is over
	FromVault = "restored-from-vault" // an expunged letter came back

	// Access.
	Login       = "login"        // a credential opened the account
	LoginFailed = "login-failed" // an attempt was turned away
	Read        = "read"         // reads of one session, mailbox and hour
	Flags       = "flags"        // flag changes of one session, mailbox and hour
	Removed     = "removed"      // messages were expunged
	Imported    = "imported"     // messages came in by APPEND or import

	// Administration.
	Created    = "created"    // the account was made
	Credential = "credential" // a credential was added, changed or revoked
	Settings   = "settings"   // settings, addresses or quota changed
	Disabled   = "disabled"   // the account was blocked
	Enabled    = "enabled"    // and opened again
	Password   = "password"   // the account's own password was set
	Consent    = "consent"    // a consent was given or taken back
	Exported   = "exported"   // journal or letters were exported
	Destroyed  = "destroyed"  // content or details were destroyed after their term
	Restored   = "restored"   // the store was made anew of a backup: what came after that is not in this journal
)

// descriptions says in plain words what a kind means, for lists and exports.
var descriptions = map[string]string{
	Accepted:     "letter accepted",
	Rejected:     "letter refused at submission",
	State:        "letter changed state",
	Held:         "letter held for recall",
	Sent:         "letter taken by the next hop",
	Delivered:    "letter delivered",
	Received:     "letter received",
	Undelivered:  "delivery given up",
	Opened:       "letter opened",
	Acknowledged: "letter acknowledged",
	Refused:      "letter refused by the recipient",
	Expired:      "term ended",
	Recalled:     "letter recalled",
	RecallAsked:  "letter asked back",
	TooLate:      "letter opened before it was asked back",
	Annulled:     "letter annulled",
	Reminded:     "reminder sent",
	Appeal:       "act on an appeal",
	Receipt:      "receipt filed",
	Signature:    "signature made or verified",
	Warned:       "owner warned of the end of retention",
	Extended:     "retention extended",
	LegalHold:    "put on legal hold",
	Released:     "released from legal hold",
	FromVault:    "restored from the vault",
	Login:        "login",
	LoginFailed:  "login refused",
	Read:         "messages read",
	Flags:        "flags changed",
	Removed:      "messages expunged",
	Imported:     "messages imported",
	Created:      "account created",
	Credential:   "credential changed",
	Settings:     "settings changed",
	Disabled:     "account blocked",
	Enabled:      "account opened again",
	Password:     "password set",
	Consent:      "consent",
	Exported:     "export made",
	Destroyed:    "content destroyed after its term",
	Restored:     "store restored from a backup",
}

// Describe says in plain English what a kind means; ok is false for a kind
// that this release does not know.
func Describe(kind string) (text string, ok bool) {
	text, ok = descriptions[kind]
	return text, ok
}
