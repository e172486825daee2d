package submission

import (
	"strings"

	"gosbridge/policy"
)

// wording is what a client hears instead of a text of go-smtp.
type wording struct {
	theirs string // the line without CRLF; up to a * where something varies
	ours   reply
}

// wordings are the texts of go-smtp that a client of ours can come to see. It
// promises delivery for a RCPT, repeats what a client sent, has 500 and 504 for
// parameters that it does not know (555 by RFC 5321 §4.1.1.11), 502 for commands in
// the wrong order (503 by §4.2.2), and codes of its own where RFC 3463 or another
// one names them. A test holds the table to the library's source.
var wordings = []wording{
	// Any command.
	{"500 5.5.2 Error: bad syntax", reply{500, [3]int{5, 5, 2}, "empty command"}},
	{"501 5.5.2 Bad command", replyUnknown},
	{"500 5.5.2 Syntax errors, *", replyUnknown},
	{"500 5.5.1 This is not a LMTP server", replyUnknown},
	{"500 5.5.1 Too many errors. Quiting now", reply{421, [3]int{4, 7, 0}, "too many errors on this connection"}},
	{"502 5.5.1 SEND command not implemented", replyMissing},
	{"502 5.5.1 SOML command not implemented", replyMissing},
	{"502 5.5.1 SAML command not implemented", replyMissing},
	{"502 5.5.1 EXPN command not implemented", replyMissing},
	{"502 5.5.1 HELP command not implemented", replyMissing},
	{"502 5.5.1 TURN command not implemented", replyMissing},
	{"421 4.0.0 Internal server error", replyBroken},
	// Commands without an effect on a message.
	{"501 5.5.2 Domain/address argument required for HELO", reply{501, [3]int{5, 5, 4}, "the client's name is missing"}},
	{"250 2.0.0 I have successfully done nothing", replyNoop},
	{"250 2.0.0 Session reset", reply{250, [3]int{2, 0, 0}, "no message is begun"}},
	{"221 2.0.0 Bye", reply{221, [3]int{2, 0, 0}, "closing the connection"}},
	// RFC 5321 §3.5.3: 252 says nothing about the user.
	{"252 2.5.0 Cannot VRFY user, but will accept message", reply{252, [3]int{2, 5, 0}, "not verified: RCPT decides about a recipient"}},
	// MAIL and RCPT. RFC 2034 §6 has 2.1.0 and 2.1.5.
	{"250 2.0.0 Roger, accepting mail from <*", reply{250, [3]int{2, 1, 0}, "sender accepted"}},
	{"250 2.0.0 I'll make sure <*", reply{250, [3]int{2, 1, 5}, "recipient accepted"}},
	{"502 5.5.1 Please introduce yourself first.", reply{503, [3]int{5, 5, 1}, "EHLO first"}},
	{"502 5.5.1 Missing MAIL FROM command.", reply{503, [3]int{5, 5, 1}, "MAIL first"}},
	{"501 5.5.2 Was expecting MAIL arg syntax of FROM:<address>", reply{501, [3]int{5, 5, 2}, "malformed: MAIL FROM:<address>"}},
	{"501 5.5.2 Was expecting RCPT arg syntax of TO:<address>", reply{501, [3]int{5, 5, 2}, "malformed: RCPT TO:<address>"}},
	{"501 5.5.4 Unable to parse MAIL ESMTP parameters", replyParameters},
	{"501 5.5.4 Unable to parse RCPT ESMTP parameters", replyParameters},
	{"500 5.5.4 Unknown MAIL FROM argument", replyParameter},
	{"500 5.5.4 Unknown RCPT TO argument", replyParameter},
	{"504 5.5.4 REQUIRETLS is not implemented", replyParameter},
	{"504 5.5.4 BINARYMIME is not implemented", reply{555, [3]int{5, 5, 4}, "BODY=BINARYMIME is not offered"}},
	{"504 5.5.4 RRVS is not implemented", replyParameter},
	{"504 5.5.4 DELIVERBY is not implemented", replyParameter},
	{"504 5.5.4 MT-PRIORITY is not implemented", replyParameter},
	{"501 5.5.4 Unable to parse SIZE as an integer", reply{501, [3]int{5, 5, 4}, "SIZE is not a number that can be accepted"}},
	{"501 5.5.4 Unknown BODY value", reply{501, [3]int{5, 5, 4}, "BODY is neither 7BIT nor 8BITMIME"}},
	{"501 5.5.4 Unknown RET value", reply{501, [3]int{5, 5, 4}, "RET is neither FULL nor HDRS"}},
	{"501 5.5.4 Malformed ENVID parameter value", reply{501, [3]int{5, 5, 4}, "malformed ENVID"}},
	{"500 5.5.4 Malformed AUTH parameter value", reply{501, [3]int{5, 5, 4}, "malformed AUTH parameter"}},
	{"500 5.5.4 Malformed AUTH parameter mailbox", reply{501, [3]int{5, 5, 4}, "malformed AUTH parameter"}},
	{"501 5.5.4 Malformed NOTIFY parameter value", reply{501, [3]int{5, 5, 4}, "malformed NOTIFY"}},
	{"501 5.5.4 Malformed ORCPT parameter value", reply{501, [3]int{5, 5, 4}, "malformed ORCPT"}},
	// DATA.
	{"501 5.5.4 DATA command should not have any arguments", reply{501, [3]int{5, 5, 4}, "DATA has no parameters"}},
	{"502 5.5.1 Missing RCPT TO command.", reply{503, [3]int{5, 5, 1}, "no recipient yet: RCPT first"}},
	{"354 Go ahead. End your data with <CR><LF>.<CR><LF>", reply{code: 354, text: "send the message, and <CRLF>.<CRLF> at its end"}},
	// AUTH (RFC 4954 §4 and §6) and STARTTLS.
	{"503 5.5.1 Already authenticated", reply{503, [3]int{5, 5, 1}, "logged in already"}},
	{"502 5.5.4 Missing parameter", reply{501, [3]int{5, 5, 4}, "AUTH needs a mechanism"}},
	{"454 4.7.0 Invalid base64 data", replyBase64}, // it never becomes right
	{"501 5.0.0 Negotiation cancelled", reply{501, [3]int{5, 7, 0}, "login cancelled"}},
	{"235 2.0.0 Authentication succeeded", reply{235, [3]int{2, 7, 0}, "logged in"}},
	{"502 5.5.1 TLS not supported", reply{502, [3]int{5, 5, 1}, "no STARTTLS here"}},
}

// exactly and beginnings are wordings by what they replace.
var exactly, beginnings = func() (map[string]reply, []wording) {
	whole := make(map[string]reply, len(wordings))
	var parts []wording
	for _, w := range wordings {
		if begin, varies := strings.CutSuffix(w.theirs, "*"); varies {
			parts = append(parts, wording{begin, w.ours})
		} else {
			whole[w.theirs+"\r\n"] = w.ours
		}
	}
	return whole, parts
}()

// reword gives what a client is to hear for a line of go-smtp; false for a line
// of ours, which stays.
func (c *conn) reword(line string) ([]byte, bool) {
	ours, ok := exactly[line]
	for i := 0; !ok && i < len(beginnings); i++ {
		if ok = strings.HasPrefix(line, beginnings[i].theirs); ok {
			ours = beginnings[i].ours
		}
	}
	switch {
	case !ok:
		return nil, false
	case line == "501 5.5.4 Unable to parse SIZE as an integer\r\n" && c.declared():
		return violation(policy.New(policy.SizeExceeded, "more", policy.Octets(c.cfg.MaxSize))).line(), true
	case line == "502 5.5.1 TLS not supported\r\n" && c.secure:
		return replyTLSOn.line(), true
	case line == "502 5.5.1 TLS not supported\r\n" && c.port.mode != Plaintext: // RFC 3207 §4
		return replyStartTLSBare.line(), true
	}
	return ours.line(), true
}

// declared reports whether the SIZE of a MAIL is a number, however large
// (RFC 1870 §5: up to 20 digits). go-smtp takes none beyond 32 bits.
func (c *conn) declared() bool {
	for _, word := range strings.Fields(string(c.command)) {
		name, value, ok := strings.Cut(word, "=")
		if ok && strings.EqualFold(name, "SIZE") {
			return value != "" && len(value) <= 20 && strings.Trim(value, "0123456789") == "" && c.cfg.MaxSize > 0
		}
	}
	return false
}
