package imapd

import (
	"slices"

	"gosbridge/mailstore"
)

// statusItems are what STATUS can tell (RFC 3501 §6.3.10; DELETED: RFC 9051
// §6.3.11; HIGHESTMODSEQ: RFC 7162 §3.1.7; APPENDLIMIT: RFC 7889 §4; SIZE: RFC
// 8438).
var statusItems = []string{"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "HIGHESTMODSEQ", "APPENDLIMIT", "SIZE"}

// status answers STATUS from the mailbox record.
func (s *session) status(*call) (answer, error) {
	s.r.SP()
	name := s.r.Mailbox()
	s.r.SP()
	items := s.readStatusItems()
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	var box mailstore.Mailbox
	err := s.see(func(tx mailstore.Tx) error {
		var err error
		box, err = s.findBox(tx, name)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	s.writeStatus(box, items)
	s.enableByStatus(items)
	return ok("counted"), nil
}

// readStatusItems reads the items of STATUS, each to be told once.
func (s *session) readStatusItems() []string {
	var items []string
	s.r.List(func() {
		item := s.r.Keyword()
		if s.r.Err() == nil && !slices.Contains(statusItems, item) {
			s.r.Fail("known status item")
		}
		if !slices.Contains(items, item) {
			items = append(items, item)
		}
	})
	if len(items) == 0 {
		s.r.Fail("status item")
	}
	return items
}

func (s *session) writeStatus(box mailstore.Mailbox, items []string) {
	s.w.Raw("* STATUS ").Mailbox(box.Name).Raw(" (")
	for i, item := range items {
		if i > 0 {
			s.w.Raw(" ")
		}
		s.w.Raw(item).Raw(" ").Number(s.statusValue(box, item))
	}
	s.w.Raw(")").CRLF()
}

// enableByStatus: HIGHESTMODSEQ makes STATUS a CONDSTORE-enabling command
// (RFC 7162 §3.1).
func (s *session) enableByStatus(items []string) {
	if slices.Contains(items, "HIGHESTMODSEQ") {
		s.useCondstore()
	}
}

func (s *session) statusValue(box mailstore.Mailbox, item string) uint64 {
	switch item {
	case "MESSAGES":
		return uint64(box.Messages)
	case "UIDNEXT":
		return uint64(box.UIDNext)
	case "UIDVALIDITY":
		return uint64(box.UIDValidity)
	case "UNSEEN":
		return uint64(box.Unseen)
	case "DELETED":
		return uint64(box.Deleted)
	case "HIGHESTMODSEQ":
		return uint64(box.HighestMod)
	case "SIZE":
		return uint64(box.Octets)
	case "APPENDLIMIT":
		return uint64(s.cfg.AppendOctets)
	}
	return 0 // RECENT: \Recent is not kept
}
