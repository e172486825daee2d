package message

import "strings"

// Header is the fields of a header in their order.
type Header []Field

// Field is one header field as received.
type Field struct {
	// Name is as received, without space around it; "" for a line that is no
	// field.
	Name string
	// Raw is name, colon, value and line ends.
	Raw []byte
	// Offset is that of Raw in the whole message.
	Offset int64
}

// Is reports whether the field has the name, in any case.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// Address is one mailbox of an address list (RFC 5322 §3.4).
type Address struct {
	Name    string // decoded display name
	Mailbox string // local part
	Host    string // domain; "" when missing
	Group   string // decoded name of the group it stands in; "" outside
}
