package policy

// Code is a stable reason code: lower-case ASCII words with hyphens. It stands
// in replies, evidence and the journal, and never changes its meaning.
type Code string

// Reasons at the door: AUTH and MAIL.
const (
	NotAuthenticated   Code = "not-authenticated"
	EncryptionRequired Code = "encryption-required" // AUTH or MAIL without TLS
	CredentialsInvalid Code = "credentials-invalid"
	AccountBlocked     Code = "account-blocked"
	SenderNotOwned     Code = "sender-not-owned"      // (address)
	SenderRight        Code = "sender-right-missing"  // (type)
	SenderKind         Code = "sender-kind-forbidden" // (kind, type)
	AssuranceTooLow    Code = "assurance-too-low"     // (assurance, needed)
	SizeExceeded       Code = "size-exceeded"         // (size, limit)
	Quota              Code = "quota-exceeded"        // (limit)
	Rate               Code = "rate-exceeded"         // (seconds to wait)
	ConsentMissing     Code = "consent-missing"
)

// Reasons of recipients: RCPT and the end of DATA.
const (
	RecipientUnknown  Code = "recipient-unknown"           // (address)
	RecipientNear     Code = "recipient-unknown-near"      // (address, near names)
	RecipientNumber   Code = "recipient-number-invalid"    // (number)
	RecipientAddress  Code = "recipient-address-invalid"   // (address)
	RecipientArchived Code = "recipient-archived"          // (address)
	RecipientLeft     Code = "recipient-left"              // (address)
	RecipientBlocked  Code = "recipient-blocked"           // (address)
	RecipientNoRoute  Code = "recipient-no-route"          // (address)
	RecipientsCeiling Code = "recipients-ceiling"          // (limit)
	TooManyRecipients Code = "too-many-recipients"         // (count, limit, type)
	RecipientKind     Code = "recipient-kind-forbidden"    // (address, kind, type)
	RecipientScope    Code = "recipient-not-correspondent" // (address, type)
	RecipientNoPost   Code = "recipient-not-with-post"     // (address)
	BccForbidden      Code = "bcc-forbidden"               // (count, type)
	NoRecipients      Code = "recipients-missing"
	RecipientType     Code = "recipient-type-conflict" // (address)
)

// Reasons of the content.
const (
	FileTooLarge      Code = "file-too-large"           // (file, size, limit)
	FilesTooLarge     Code = "files-too-large"          // (sum, limit)
	FilesMissing      Code = "files-missing"            // (count, minimum)
	TooManyFiles      Code = "too-many-files"           // (count, limit)
	FileFormat        Code = "file-format-forbidden"    // (file, format, allowed)
	FileMismatch      Code = "file-content-mismatch"    // (file, format by content)
	FileDeclared      Code = "file-type-mismatch"       // (file, declared, format)
	FileExecutable    Code = "file-executable"          // (file)
	FileMacros        Code = "file-macros"              // (file)
	FileNameMissing   Code = "file-name-missing"        // (position)
	FileName          Code = "file-name-invalid"        // (file, character)
	FileNamePath      Code = "file-name-path"           // (file)
	FileNameDirection Code = "file-name-direction"      // (file)
	FileNameDouble    Code = "file-name-double-ending"  // (file)
	FileNameTooLong   Code = "file-name-too-long"       // (file, length, limit)
	FileMetadata      Code = "file-metadata-missing"    // (file, what)
	FileDamaged       Code = "file-damaged"             // (file, detail)
	FileEncrypted     Code = "file-encrypted"           // (file)
	FileBomb          Code = "file-bomb"                // (file, detail)
	FileEntry         Code = "file-entry-name"          // (file, detail)
	FilePixels        Code = "file-image-too-large"     // (file, detail)
	FileResolution    Code = "file-resolution-low"      // (file, dpi, wanted)
	TextMissing       Code = "text-missing"             //
	TextTooShort      Code = "text-too-short"           // (length, minimum)
	TextTooLong       Code = "text-too-long"            // (length, limit)
	HTMLForbidden     Code = "html-forbidden"           // (type)
	SubjectMissing    Code = "subject-missing"          //
	SubjectRepeated   Code = "subject-repeated"         // (count)
	SubjectTooShort   Code = "subject-too-short"        // (length, minimum)
	SubjectTooLong    Code = "subject-too-long"         // (length, limit)
	FieldMissing      Code = "field-missing"            // (field)
	KindUnknown       Code = "appeal-kind-unknown"      // (kind, allowed)
	KindMissing       Code = "appeal-kind-missing"      // (allowed)
	KindUnwanted      Code = "appeal-kind-unwanted"     // (type)
	TypeUnknown       Code = "letter-type-unknown"      // (type)
	TypeConflict      Code = "letter-type-conflict"     // (one, other)
	TermInvalid       Code = "letter-term-invalid"      // (term, longest)
	OptionInvalid     Code = "letter-option-invalid"    // (header, value)
	BareLineEnding    Code = "bare-line-ending"         //
	NulOctet          Code = "nul-octet"                //
	ForgedHeader      Code = "forged-header"            // (header)
	Malformed         Code = "malformed"                // (what)
	Truncated         Code = "truncated"                //
	TooDeep           Code = "nesting-too-deep"         //
	TooManyParts      Code = "too-many-parts"           //
	HeaderTooLong     Code = "header-too-long"          //
	LineTooLong       Code = "line-too-long"            //
	FromMissing       Code = "from-missing"             //
	FromRepeated      Code = "from-repeated"            //
	FromNotOwned      Code = "from-not-owned"           // (address)
	ContentEnclosed   Code = "content-enclosed"         //
	SignatureMissing  Code = "signature-missing"        // (type)
	SignatureUnwanted Code = "signature-forbidden"      // (type)
	SignatureOfOther  Code = "signature-of-other"       //
	SignatureBroken   Code = "signature-invalid"        //
	SignatureNoAlgo   Code = "signature-unknown-method" //
	Malware           Code = "malware"                  // (name)
	Spam              Code = "spam"                     //
)

// Reasons on our own side: the same letter may pass later.
const (
	ScannerUnavailable   Code = "scanner-unavailable"
	SignerUnavailable    Code = "signer-unavailable"
	TimestampUnavailable Code = "timestamp-unavailable"
	StoreUnavailable     Code = "store-unavailable"
	StoreFull            Code = "store-full"
	Internal             Code = "internal-error"
	Closing              Code = "service-closing"
	TooManyConnections   Code = "too-many-connections"
	Timeout              Code = "timeout"
)

// MoreReasons ends a reply that would grow too long.
const MoreReasons Code = "more-reasons" // (count)
