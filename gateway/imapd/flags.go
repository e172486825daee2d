package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// maxKeyword is the length of a keyword in octets.
const maxKeyword = 200

// systemFlags are the flags that have a bit (RFC 3501 §2.3.2).
var systemFlags = []struct {
	bit  mailstore.Flags
	name imap.Flag
}{
	{mailstore.Answered, imap.FlagAnswered},
	{mailstore.Flagged, imap.FlagFlagged},
	{mailstore.Deleted, imap.FlagDeleted},
	{mailstore.Seen, imap.FlagSeen},
	{mailstore.Draft, imap.FlagDraft},
}

// systemFlag finds the bit of a flag's name in any case.
func systemFlag(f imap.Flag) (mailstore.Flags, bool) {
	for _, s := range systemFlags {
		if strings.EqualFold(string(s.name), string(f)) {
			return s.bit, true
		}
	}
	return 0, false
}

// writeFlags writes a message's flags in parentheses.
func (s *session) writeFlags(flags mailstore.Flags, keywords []string) {
	sep := "("
	for _, f := range systemFlags {
		if flags&f.bit != 0 {
			s.w.Raw(sep).Raw(string(f.name))
			sep = " "
		}
	}
	for _, k := range keywords {
		s.w.Raw(sep).Raw(k)
		sep = " "
	}
	if sep == "(" {
		s.w.Raw("(")
	}
	s.w.Raw(")")
}

// writeFlagLists writes FLAGS and PERMANENTFLAGS of a mailbox. Keywords that
// belong to letters are in the first only: clients see them and cannot change
// them.
func (s *session) writeFlagLists(box mailstore.Mailbox) {
	all := make([]imap.Flag, 0, len(systemFlags)+len(box.Keywords)+1)
	for _, f := range systemFlags {
		all = append(all, f.name)
	}
	permanent := all[:len(all):len(all)]
	for _, k := range box.Keywords {
		all = append(all, imap.Flag(k))
		if !s.srv.room.Owns(k) {
			permanent = append(permanent, imap.Flag(k))
		}
	}
	s.w.Raw("* FLAGS ").Flags(all).CRLF()
	switch {
	case s.view.readOnly:
		permanent = nil
	case !box.Full: // RFC 9051 §7.1, PERMANENTFLAGS
		permanent = append(permanent, imap.FlagWildcard)
	}
	s.w.Raw("* OK [PERMANENTFLAGS ").Flags(permanent).Raw("] kept").CRLF()
	s.view.keywords = len(box.Keywords)
}

// flagArgs are the flags of STORE or APPEND.
type flagArgs struct {
	flags    mailstore.Flags
	keywords []string
}

// readFlag takes one flag. \Recent and unknown system flags are no client's
// to set (RFC 3501 §2.3.2).
func (s *session) readFlag(args *flagArgs) {
	f := s.r.Flag()
	switch {
	case f == "" || s.r.Err() != nil:
	case f[0] != '\\':
		if len(args.keywords) >= s.cfg.Keywords || len(f) > maxKeyword {
			s.r.Refuse(no("LIMIT", "too many keywords, or one too long"))
			return
		}
		args.keywords = append(args.keywords, string(f))
	default:
		bit, known := systemFlag(f)
		if !known {
			s.r.Fail("known system flag")
			return
		}
		args.flags |= bit
	}
}

// readFlagList takes flags in parentheses.
func (s *session) readFlagList() flagArgs {
	var args flagArgs
	s.r.List(func() { s.readFlag(&args) })
	return args
}

// owned reports whether one of the keywords belongs to letters.
func (s *session) owned(keywords []string) bool {
	for _, k := range keywords {
		if s.srv.room.Owns(k) {
			return true
		}
	}
	return false
}

// unowned leaves out keywords that belong to letters.
func (s *session) unowned(keywords []string) []string {
	var left []string
	for _, k := range keywords {
		if !s.srv.room.Owns(k) {
			left = append(left, k)
		}
	}
	return left
}
