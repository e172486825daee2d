package imapd

// enable answers ENABLE (RFC 5161): what is not known is passed over.
func (s *session) enable(*call) (answer, error) {
	var names []string
	for s.r.Peek() == ' ' {
		s.r.SP()
		names = append(names, s.r.Keyword())
	}
	if len(names) == 0 {
		s.r.Fail("capability")
	}
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	enabled := ""
	for _, name := range names {
		// Each is listed when this command enabled it, so at most once.
		if changed := s.turnOn(name); changed != "" {
			enabled += " " + changed
		}
	}
	s.w.Raw("* ENABLED").Raw(enabled).CRLF()
	return ok("enabled what can be"), nil
}

// turnOn enables an extension and returns its name; "" for one that is enabled
// already, or cannot be.
func (s *session) turnOn(name string) string {
	switch {
	case name == "CONDSTORE" && !s.condstore:
		s.useCondstore()
		return "CONDSTORE"
	case name == "UTF8=ACCEPT" && !s.utf8Accept:
		s.utf8Accept = true
		s.useUTF8()
		return "UTF8=ACCEPT"
	case name == "IMAP4REV2" && !s.rev2:
		s.rev2 = true
		s.useUTF8() // RFC 9051 §4.3, §5.1
		return "IMAP4rev2"
	}
	return ""
}

// useUTF8 goes over to UTF-8 in quoted strings and in names of mailboxes, both
// ways (RFC 6855 §3).
func (s *session) useUTF8() {
	s.r.UTF8()
	s.w.UTF8()
}

// useCondstore marks the client as one that knows mod-sequences. With a
// mailbox selected it is told where that stands (RFC 7162 §3.1.2).
func (s *session) useCondstore() {
	if s.condstore {
		return
	}
	s.condstore = true
	if s.view != nil {
		s.w.Raw("* OK [HIGHESTMODSEQ ").Number(uint64(s.view.modseq)).Raw("] from here on").CRLF()
	}
}
