package receipt

// Event is what an evidence is about. The names are those of ETSI EN 319 522-2
// where it has one.
type Event string

// The events.
const (
	SubmissionAcceptance      Event = "SubmissionAcceptance"
	SubmissionRejection       Event = "SubmissionRejection"
	MalwareRejection          Event = "MalwareRejection" // refused by the scanner
	RelayAcceptance           Event = "RelayAcceptance"
	RelayRejection            Event = "RelayRejection"
	RelayFailure              Event = "RelayFailure"
	DelayWarning              Event = "DelayWarning"
	ContentConsignment        Event = "ContentConsignment" // in the recipient's mailbox
	ContentConsignmentFailure Event = "ContentConsignmentFailure"
	ContentHandover           Event = "ContentHandover"       // opened
	ConsignmentAcceptance     Event = "ConsignmentAcceptance" // the act of receipt
	ConsignmentRejection      Event = "ConsignmentRejection"
	AcceptanceRejectionExpiry Event = "AcceptanceRejectionExpiry"
	LateAcknowledgement       Event = "LateAcknowledgement"
	Reminder                  Event = "Reminder"
	Recall                    Event = "Recall"
	Annulment                 Event = "Annulment"
	Supplement                Event = "Supplement"
	AppealRegistered          Event = "AppealRegistered"
	AppealClarification       Event = "AppealClarification"
	AppealForwarded           Event = "AppealForwarded"
	AppealExtended            Event = "AppealExtended"
	AppealResolved            Event = "AppealResolved"
	AppealDeclined            Event = "AppealDeclined"
	AppealClosed              Event = "AppealClosed"
	SignatureReport           Event = "SignatureReport"
)

// eventRow is what is particular to an event.
type eventRow struct {
	whole      bool   // concerns the letter: names all of its recipients
	unaccepted bool   // may be about something that never became a letter
	state      string // where the letter stands after it; "" where it was
}

// events is every event there is.
var events = map[Event]eventRow{
	SubmissionAcceptance:      {whole: true, state: "accepted"},
	SubmissionRejection:       {whole: true, unaccepted: true, state: "rejected"},
	MalwareRejection:          {whole: true, unaccepted: true, state: "rejected"},
	RelayAcceptance:           {state: "sent"},
	RelayRejection:            {state: "rejected"},
	RelayFailure:              {state: "undeliverable"},
	DelayWarning:              {state: "sent"},
	ContentConsignment:        {state: "delivered"},
	ContentConsignmentFailure: {state: "undeliverable"},
	ContentHandover:           {state: "opened"},
	ConsignmentAcceptance:     {state: "acknowledged"},
	ConsignmentRejection:      {state: "refused"},
	AcceptanceRejectionExpiry: {state: "expired"},
	LateAcknowledgement:       {state: "expired"},
	Reminder:                  {},
	Recall:                    {whole: true, state: "recalled"},
	Annulment:                 {state: "annulled"},
	Supplement:                {},
	AppealRegistered:          {state: "registered"},
	AppealClarification:       {state: "awaiting_sender"},
	AppealForwarded:           {state: "forwarded"},
	AppealExtended:            {state: "extended"},
	AppealResolved:            {state: "resolved"},
	AppealDeclined:            {state: "declined"},
	AppealClosed:              {state: "closed"},
	SignatureReport:           {whole: true, unaccepted: true},
}

// Known reports whether there is such an event.
func (e Event) Known() bool { _, ok := events[e]; return ok }
