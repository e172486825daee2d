package imapd

import (
	"slices"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// storeArgs is a STORE command once read.
type storeArgs struct {
	flagArgs
	op        mailstore.FlagOp
	silent    bool
	unchanged *mailstore.ModSeq
}

// storeFlags answers STORE and UID STORE (RFC 3501 §6.4.6, RFC 7162 §3.1.3).
func (s *session) storeFlags(c *call) (answer, error) {
	s.r.SP()
	set := s.r.Set()
	s.r.SP()
	args := s.readStore()
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	if err := s.mayChange(); err != nil {
		return answer{}, err
	}
	if args.unchanged != nil {
		s.useCondstore()
	}
	spans, err := s.resolve(set, c.uid)
	if err != nil {
		return answer{}, err
	}
	change := mailstore.FlagChange{
		Op: args.op, Flags: args.flags, Keywords: args.keywords,
		Protect: s.srv.room.Owns, UnchangedSince: args.unchanged,
	}
	echo := echoAll
	if args.silent {
		echo = echoForeign
		if s.owned(args.keywords) {
			echo = echoAll // what the client believes now is wrong
		}
	}
	var modified []mailstore.UID
	missing := false
	for len(spans) > 0 {
		var head []span
		head, spans = cut(spans, mailstore.MaxMessagesPerUpdate)
		done, err := s.setFlags(s.view.set(head), change, echo)
		if err != nil {
			return answer{}, err
		}
		modified = append(modified, s.view.announced(done.result.Modified)...)
		missing = missing || done.missing
		s.writeStored(done)
	}
	return s.stored(c, modified, missing), s.w.Err()
}

// readStore reads modifier, operation and flags.
func (s *session) readStore() storeArgs {
	var args storeArgs
	if s.r.Peek() == '(' {
		s.r.List(func() {
			if s.r.Keyword() != "UNCHANGEDSINCE" || args.unchanged != nil {
				s.r.Fail("known store modifier, once")
				return
			}
			s.r.SP()
			since := mailstore.ModSeq(s.r.Number64()) // 0 is a value, not absence
			args.unchanged = &since
		})
		s.r.SP()
	}
	switch {
	case s.r.Try('+'):
		args.op = mailstore.FlagsAdd
	case s.r.Try('-'):
		args.op = mailstore.FlagsRemove
	}
	switch s.r.Label() {
	case "FLAGS":
	case "FLAGS.SILENT":
		args.silent = true
	default:
		s.r.Fail("FLAGS or FLAGS.SILENT")
	}
	s.r.SP()
	if s.r.Peek() == '(' {
		args.flagArgs = s.readFlagList()
		return args
	}
	s.readFlag(&args.flagArgs) // without parentheses (RFC 3501 §9, store-att-flags)
	for s.r.Try(' ') {
		s.readFlag(&args.flagArgs)
	}
	return args
}

// mayChange refuses what changes a mailbox opened read-only.
func (s *session) mayChange() error {
	switch {
	case s.archive():
		return errNoPermission
	case s.view.readOnly:
		return errReadOnlyBox
	}
	return nil
}

// resolve turns a set into spans, loading the vector if need be.
func (s *session) resolve(set imap.SeqSet, uid bool) ([]span, error) {
	if !s.view.loaded {
		if err := s.see(s.view.load); err != nil {
			return nil, err
		}
	}
	return s.view.resolve(set, uid)
}

// echo says which rows an Update of flags reads back.
type echo uint8

const (
	// echoForeign: only those that somebody else changed meanwhile, or that
	// do not look as the client must think.
	echoForeign echo = iota
	echoAll
)

// flagsDone is what setFlags did.
type flagsDone struct {
	result  mailstore.FlagResult
	rows    []*mailstore.Message // to be echoed, as they are now
	missing bool                 // some of the set are gone
	box     mailstore.Mailbox    // after the change
}

// setFlags changes the flags of a set of at most MaxMessagesPerUpdate messages
// in one Update, with what letters have to say to it.
func (s *session) setFlags(set mailstore.UIDSet, change mailstore.FlagChange, want echo) (flagsDone, error) {
	v := s.view
	var done flagsDone
	var before mailstore.ModSeq
	err := s.change(func(tx mailstore.UpdateTx) error {
		done = flagsDone{}
		box, err := tx.Mailbox(v.box)
		if err != nil {
			return try("store flags", err)
		}
		before = box.HighestMod
		show, err := s.foreign(tx, box, set)
		if err != nil {
			return err
		}
		if done.result, err = tx.SetFlags(v.box, set, change); err != nil {
			return try("store flags", err)
		}
		touched, err := s.tellRoom(tx, box, done.result.NewSeen, want)
		if err != nil {
			return err
		}
		show = append(show, touched...)
		if done.box, err = tx.Mailbox(v.box); err != nil {
			return try("store flags", err)
		}
		all := want == echoAll || s.condstore
		replaced := change.Op == mailstore.FlagsSet && s.owned(box.Keywords)
		if !all && !replaced && len(show) == 0 && before <= v.modseq {
			done.missing = len(v.gone) > 0 && len(intersect(set, uidSet(v.gone))) > 0
			return nil // nothing to show, and all of it is there
		}
		found := 0
		for m, err := range tx.Messages(v.box, set, 0) {
			if err != nil {
				return try("store flags", err)
			}
			found++
			if all || slices.Contains(show, m.UID) || replaced && s.owned(m.Keywords) {
				done.rows = append(done.rows, m)
			}
		}
		done.missing = found < len(v.announced(set))
		return nil
	})
	if err != nil {
		return done, err
	}
	v.remember(before, done.result)
	if len(done.box.Keywords) > v.keywords {
		s.writeFlagLists(done.box) // before a FETCH names a new keyword
	}
	return done, nil
}

// tellRoom tells letters of messages that were seen, and returns those whose
// keywords they changed: a client that asked for silence cannot know.
func (s *session) tellRoom(tx mailstore.UpdateTx, box mailstore.Mailbox, seen mailstore.UIDSet, want echo) ([]mailstore.UID, error) {
	if len(seen) == 0 {
		return nil, nil
	}
	var before map[mailstore.UID][]string
	if want == echoForeign {
		var err error
		if before, err = keywordsOf(tx, box.ID, seen); err != nil {
			return nil, err
		}
	}
	if err := s.srv.room.OnFlags(tx, *s.who, box, seen); err != nil || before == nil {
		return nil, try("letters on flags", err)
	}
	after, err := keywordsOf(tx, box.ID, seen)
	if err != nil {
		return nil, err
	}
	var touched []mailstore.UID
	for uid, keywords := range before {
		if !slices.Equal(keywords, after[uid]) {
			touched = append(touched, uid)
		}
	}
	return touched, nil
}

func keywordsOf(tx mailstore.Tx, box mailstore.MailboxID, set mailstore.UIDSet) (map[mailstore.UID][]string, error) {
	all := make(map[mailstore.UID][]string)
	for m, err := range tx.Messages(box, set, 0) {
		if err != nil {
			return nil, try("keywords", err)
		}
		all[m.UID] = m.Keywords
	}
	return all, nil
}

// foreign are the messages of set that changed since the client was last
// told: their new flags are news even to a silent STORE.
func (s *session) foreign(tx mailstore.Tx, box mailstore.Mailbox, set mailstore.UIDSet) ([]mailstore.UID, error) {
	v := s.view
	if box.HighestMod <= v.modseq {
		return nil, nil
	}
	changes, err := tx.Changes(v.box, v.modseq)
	if err != nil {
		return nil, try("changes", err)
	}
	if !changes.Complete {
		return v.announced(set), nil
	}
	both := intersect(set, changes.Changed)
	if len(both) == 0 {
		return nil, nil
	}
	var foreign []mailstore.UID
	for m, err := range tx.Messages(v.box, both, 0) {
		if err != nil {
			return nil, try("changes", err)
		}
		if m.ModSeq > v.modseq && !mine(v.own, m) {
			foreign = append(foreign, m.UID)
		}
	}
	return foreign, nil
}

// remember notes that what an Update changed was answered. When nothing else
// had happened before it, the view is as new as the mailbox.
func (v *view) remember(before mailstore.ModSeq, r mailstore.FlagResult) {
	if r.ModSeq == 0 {
		return
	}
	if before == v.modseq && len(r.NewSeen) == 0 {
		v.modseq = r.ModSeq
		return
	}
	v.own = append(v.own, ownChange{r.ModSeq, r.Changed})
}

// writeStored writes the FETCH responses of STORE. A client that knows
// mod-sequences gets them even when it asked for silence (RFC 7162 §3.1.3).
func (s *session) writeStored(done flagsDone) {
	for _, m := range done.rows {
		if done.result.Modified.Contains(m.UID) {
			continue // failed UNCHANGEDSINCE
		}
		s.writeFetchFlags(m)
	}
}

// stored is the tagged answer.
func (s *session) stored(c *call, modified []mailstore.UID, missing bool) answer {
	if len(modified) > 0 {
		nums := make([]uint32, len(modified))
		for i, uid := range modified {
			if nums[i] = uint32(uid); !c.uid {
				nums[i] = s.view.seq(uid)
			}
		}
		return okCode("MODIFIED "+numberSet(nums), "some had changed")
	}
	if missing && !c.uid {
		return answer{"NO", "EXPUNGEISSUED", "some of the messages are gone"}
	}
	return ok("stored")
}
