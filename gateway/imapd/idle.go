package imapd

import (
	"errors"
	"strings"
)

// idle answers IDLE (RFC 2177). While the session's goroutine waits for DONE,
// a second one owns view and writer and sends what the store hints at, at
// once: no timer stands between a commit and the client.
func (s *session) idle(*call) (answer, error) {
	s.r.EOL()
	if err := s.r.Err(); err != nil {
		return answer{}, err
	}
	s.w.Raw("+ idling").CRLF()
	if s.view != nil {
		if err := s.catchUpIdle(); err != nil {
			return answer{}, err
		}
	}
	if err := s.w.Flush(); err != nil {
		return answer{}, err
	}
	stop, pushed := make(chan struct{}), make(chan error, 1)
	if s.view != nil {
		s.pushing = true
		go func() { pushed <- s.push(stop) }()
	} else {
		pushed <- nil
	}
	s.entry.Wait(true)
	waited := s.wait(s.cfg.IdleTimeout)
	var line string
	if waited == nil {
		s.entry.Command()
		// The rest of the line has its own, shorter time.
		if waited = s.r.Continue(); waited == nil {
			line = s.r.Rest()
		}
	}
	close(stop)
	err := <-pushed
	s.pushing = false
	switch {
	case err != nil:
		return answer{}, &ended{err}
	case waited != nil:
		return answer{}, &ended{waited}
	case !strings.EqualFold(line, "DONE"):
		return answer{}, bad("expected DONE")
	}
	return ok("awake"), nil
}

// catchUpIdle tells a client that begins to idle what changed. Thunderbird
// takes note of an EXISTS from SELECT, NOOP and IDLE, but not of one that comes
// with the answer to a FETCH or another command: a letter that arrived then
// would not be seen until the next. So it is said once more; a client must take
// any response at any time (RFC 3501 §7).
func (s *session) catchUpIdle() error {
	v := s.view
	again := v.aside
	v.aside = false
	if err := s.poll(pollAll); err != nil {
		return err
	}
	if again && !v.aside {
		s.writeExists()
	}
	v.aside = false
	return s.w.Err()
}

// push sends changes until stop. When it fails it cuts the connection, so
// that the wait for DONE ends too.
func (s *session) push(stop <-chan struct{}) error {
	hints := s.view.watch.C()
	for {
		select {
		case <-stop:
			return nil
		case <-hints:
		}
		err := s.poll(pollAll)
		s.view.aside = false
		if err == nil {
			err = s.w.Flush()
		}
		if err != nil {
			if errors.Is(err, errMailboxGone) {
				s.w.Raw("* BYE the selected mailbox is gone").CRLF().Flush()
			}
			s.st.Cut()
			return err
		}
	}
}

// ended wraps an error after which the session cannot go on.
type ended struct{ err error }

func (e *ended) Error() string { return e.err.Error() }
func (e *ended) Unwrap() error { return e.err }
