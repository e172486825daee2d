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

// flagJob is one change of flags, and what came of it.
type flagJob struct {
	set    mailstore.UIDSet
	change mailstore.FlagChange
	echo   echo

	result  mailstore.FlagResult
	rows    []*mailstore.Message // to be echoed, as they are now
	missing bool                 // some of the set are gone
}

// setFlags runs jobs on at most MaxMessagesPerUpdate messages in one Update,
// with what letters have to say to it.
func (s *session) setFlags(jobs []*flagJob) error {
	v := s.view
	var before, after mailstore.Mailbox
	err := s.change(func(tx mailstore.UpdateTx) error {
		var err error
		if before, err = tx.Mailbox(v.box); err != nil {
			return try("store flags", err)
		}
		for _, job := range jobs {
			if err := s.setFlagsIn(tx, before, job); err != nil {
				return err
			}
		}
		after, err = tx.Mailbox(v.box)
		return try("store flags", err)
	})
	if err != nil {
		return err
	}
	v.remember(before.HighestMod, jobs)
	if len(after.Keywords) > v.keywords {
		s.writeFlagLists(after) // before a FETCH names a new keyword
	}
	return nil
}

// setFlagsIn is one job. box is the mailbox as it was before the Update. It
// may run again, and then begins anew.
func (s *session) setFlagsIn(tx mailstore.UpdateTx, box mailstore.Mailbox, job *flagJob) error {
	v := s.view
	job.rows, job.missing = nil, false
	show, err := s.foreign(tx, box, job.set)
	if err != nil {
		return err
	}
	if job.result, err = tx.SetFlags(v.box, job.set, job.change); err != nil {
		return try("store flags", err)
	}
	touched, err := s.tellRoom(tx, box, job.result.NewSeen, job.echo)
	if err != nil {
		return err
	}
	show = append(show, touched...)
	all := job.echo == echoAll || s.condstore
	replaced := job.change.Op == mailstore.FlagsSet && s.owned(box.Keywords)
	if !all && !replaced && len(show) == 0 && box.HighestMod <= v.modseq {
		job.missing = len(v.gone) > 0 && len(intersect(job.set, uidSet(v.gone))) > 0
		return nil // nothing to show, and all of it is there
	}
	found := 0
	for m, err := range tx.Messages(v.box, job.set, 0) {
		if err != nil {
			return try("store flags", err)
		}
		found++
		if all || slices.Contains(show, m.UID) || replaced && s.owned(m.Keywords) {
			job.rows = append(job.rows, m)
		}
	}
	job.missing = found < len(v.announced(job.set))
	return nil
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
		if m.ModSeq > v.modseq && m.ModSeq <= box.HighestMod && !mine(v.own, m) {
			foreign = append(foreign, m.UID)
		}
	}
	return foreign, nil
}

// remember notes that what an Update changed was answered. When nothing else
// had happened before it, and letters had no part in it, the view is as new as
// the mailbox.
func (v *view) remember(before mailstore.ModSeq, jobs []*flagJob) {
	alone := before == v.modseq
	for _, job := range jobs {
		alone = alone && len(job.result.NewSeen) == 0
	}
	for _, job := range jobs {
		switch r := job.result; {
		case r.ModSeq == 0:
		case alone:
			v.modseq = r.ModSeq
		default:
			v.own = append(v.own, ownChange{r.ModSeq, r.Changed})
		}
	}
}

// writeStored writes the FETCH responses of STORE. A client that knows
// mod-sequences gets them even when it asked for silence (RFC 7162 §3.1.3).
func (s *session) writeStored(job *flagJob) {
	for _, m := range job.rows {
		if job.result.Modified.Contains(m.UID) {
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
