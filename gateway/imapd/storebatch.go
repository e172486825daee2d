package imapd

import (
	"bytes"

	"gosbridge/mailstore"
)

// maxBatch is how many pipelined STOREs share one Update.
const maxBatch = 256

// storeCommand is one STORE on its way.
type storeCommand struct {
	call  *call
	args  storeArgs
	spans []span
	jobs  []*flagJob // one for each Update that it needs
	err   error
}

// storeFlags answers STORE and UID STORE (RFC 3501 §6.4.6, RFC 7162 §3.1.3).
// Further ones that the client has sent already share its Update: they are
// answered in order behind the commit. c becomes the last of them, which the
// caller answers.
func (s *session) storeFlags(c *call) (answer, error) {
	batch := []*storeCommand{s.readStoreCommand(c)}
	for len(batch) < maxBatch && batch[len(batch)-1].err == nil && s.storeAhead(c.name) {
		if err := s.r.Next(); err != nil {
			return answer{}, err
		}
		next := &call{tag: s.r.Tag(), name: c.name, uid: c.uid}
		s.r.SP()
		s.r.Keyword()
		if c.uid {
			s.r.SP()
			s.r.Keyword()
		}
		batch = append(batch, s.readStoreCommand(next))
	}
	s.runStores(batch)
	for i, sc := range batch {
		ans, err := s.storeAnswer(sc)
		if i == len(batch)-1 {
			*c = *sc.call
			return ans, err
		}
		if err != nil {
			var fatal bool
			if ans, fatal = s.render(sc.call, err); fatal {
				return ans, err
			}
		}
		s.answer(sc.call.tag, ans)
	}
	return answer{}, s.w.Err()
}

// storeAhead reports whether the next command is one of that name and wholly
// read ahead.
func (s *session) storeAhead(name string) bool {
	_, rest, tagged := bytes.Cut(s.r.Ahead(), []byte(" "))
	n := len(name)
	return tagged && len(rest) > n && rest[n] == ' ' && bytes.EqualFold(rest[:n], []byte(name))
}

// readStoreCommand reads the arguments and decides what is to be done.
func (s *session) readStoreCommand(c *call) *storeCommand {
	sc := &storeCommand{call: c}
	s.r.SP()
	set := s.r.Set()
	s.r.SP()
	sc.args = s.readStore()
	s.r.EOL()
	if sc.err = s.r.Err(); sc.err != nil {
		return sc
	}
	if sc.err = s.mayChange(); sc.err != nil {
		return sc
	}
	if sc.args.unchanged != nil {
		s.useCondstore()
	}
	if sc.spans, sc.err = s.resolve(set, c.uid); sc.err != nil {
		return sc
	}
	echo := echoAll
	// A client that was silent about a keyword of letters believes what is
	// wrong: it is told.
	if sc.args.silent && !s.owned(sc.args.keywords) {
		echo = echoForeign
	}
	for left := sc.spans; len(left) > 0; {
		var head []span
		head, left = cut(left, mailstore.MaxMessagesPerUpdate)
		sc.jobs = append(sc.jobs, &flagJob{set: s.view.set(head), echo: echo, change: mailstore.FlagChange{
			Op: sc.args.op, Flags: sc.args.flags, Keywords: sc.args.keywords,
			Protect: s.srv.room.Owns, UnchangedSince: sc.args.unchanged,
		}})
	}
	return sc
}

// runStores runs the commands in order, as many as fit in one Update at a
// time.
func (s *session) runStores(batch []*storeCommand) {
	for len(batch) > 0 {
		n := together(batch)
		if n > 1 && s.runTogether(batch[:n]) {
			batch = batch[n:]
			continue
		}
		// Alone: too large, conditional, or one of them failed and must not
		// take the others with it.
		for _, sc := range batch[:n] {
			for _, job := range sc.jobs {
				if sc.err == nil {
					sc.err = s.setFlags([]*flagJob{job})
				}
			}
		}
		batch = batch[n:]
	}
}

// together counts the commands at the front that can share an Update; at
// least 1. A conditional STORE must see the mod-sequences of those before it,
// so it has its own.
func together(batch []*storeCommand) int {
	messages := 0
	for i, sc := range batch {
		messages += count(sc.spans)
		if sc.err != nil || sc.args.unchanged != nil || messages > mailstore.MaxMessagesPerUpdate {
			return max(i, 1)
		}
	}
	return len(batch)
}

func (s *session) runTogether(batch []*storeCommand) bool {
	var jobs []*flagJob
	for _, sc := range batch {
		jobs = append(jobs, sc.jobs...)
	}
	return s.setFlags(jobs) == nil
}

// storeAnswer writes the FETCH responses of a command and gives its answer.
func (s *session) storeAnswer(sc *storeCommand) (answer, error) {
	if sc.err != nil {
		return answer{}, sc.err
	}
	var modified []mailstore.UID
	missing := false
	for _, job := range sc.jobs {
		modified = append(modified, s.view.announced(job.result.Modified)...)
		missing = missing || job.missing
		s.writeStored(job)
	}
	return s.stored(sc.call, modified, missing), s.w.Err()
}
