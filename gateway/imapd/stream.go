package imapd

import (
	"errors"
	"net"
	"sync"
	"time"

	sessions "gosbridge/gateway/session"
)

// Why a session waits for no more commands.
var (
	errClosing = errors.New("server stops")
	errKicked  = errors.New("session ended by the operator")
	errBlocked = errors.New("account blocked")
	errRevoked = errors.New("credential revoked")
)

// endings are these by what the table says.
var endings = map[sessions.Reason]error{
	sessions.Closing: errClosing, sessions.Kicked: errKicked, sessions.Blocked: errBlocked, sessions.Revoked: errRevoked,
}

// stream is a connection with rolling deadlines. While parked it waits for a
// command: then the idle time counts as a whole, and End ends the wait.
// Otherwise each read and write has its own time.
type stream struct {
	entry                     *sessions.Session
	readTimeout, writeTimeout time.Duration
	// flush is called before a read blocks: the one place where responses
	// leave, so that a pipelining client costs one write.
	flush func() error

	// gone is closed when the connection was cut: long work for it ends.
	gone  chan struct{}
	going sync.Once

	mu      sync.Mutex
	conn    net.Conn // TLS or not; replaced by STARTTLS
	raw     net.Conn // below TLS
	closing error    // why there are no more commands; nil while there are
	parked  bool
	// until bounds every read before the login; zero after it.
	until time.Time
}

// Read flushes and waits for octets.
func (s *stream) Read(p []byte) (int, error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	conn := s.conn
	if !s.parked {
		s.setReadDeadline(s.readTimeout)
	}
	s.mu.Unlock()
	n, err := conn.Read(p)
	s.entry.Received(n)
	return n, err
}

// Write writes with a deadline of its own.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if err := conn.SetWriteDeadline(time.Now().Add(s.writeTimeout)); err != nil {
		return 0, err
	}
	n, err := conn.Write(p)
	s.entry.Sent(n)
	return n, err
}

// park begins the wait for a command, of d at most.
func (s *stream) park(d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing != nil {
		return s.closing
	}
	s.parked = true
	s.setReadDeadline(d)
	return nil
}

// unpark ends the wait; a wait that End ended has its reason.
func (s *stream) unpark(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked = false
	if err != nil && s.closing != nil {
		return s.closing
	}
	return err
}

// End implements sessions.Conn.
func (s *stream) End(why sessions.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = endings[why]
	if s.parked {
		s.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// Cut implements sessions.Conn. It never waits for the client, and is safe
// beside everything.
func (s *stream) Cut() {
	s.going.Do(func() { close(s.gone) })
	s.raw.Close()
}

// overErr ends the session once its connection was cut.
func (s *stream) overErr() error {
	select {
	case <-s.gone:
		return &ended{net.ErrClosed}
	default:
		return nil
	}
}

// close ends the connection, with a close notify where it has TLS.
func (s *stream) close() { s.conn.Close() }

// replace goes on over another connection (STARTTLS).
func (s *stream) replace(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
}

// loggedIn lifts the time limit of the login.
func (s *stream) loggedIn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Time{}
}

// setReadDeadline is called with the lock held. A deadline that cannot be set
// shows at the read.
func (s *stream) setReadDeadline(d time.Duration) {
	at := time.Now().Add(d)
	if !s.until.IsZero() && s.until.Before(at) {
		at = s.until
	}
	s.conn.SetReadDeadline(at)
}
