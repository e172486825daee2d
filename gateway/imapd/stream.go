package imapd

import (
	"errors"
	"net"
	"sync"
	"time"
)

// errClosing says that the server stops and the session waits for no more
// commands.
var errClosing = errors.New("server stops")

// stream is a connection with rolling deadlines. While parked it waits for a
// command: then the idle time counts as a whole, and stop ends the wait.
// Otherwise each read and write has its own time.
type stream struct {
	readTimeout, writeTimeout time.Duration
	// flush is called before a read blocks: the one place where responses
	// leave, so that a pipelining client costs one write.
	flush func() error

	mu      sync.Mutex
	conn    net.Conn // TLS or not; replaced by STARTTLS
	raw     net.Conn // below TLS
	closing error    // why the session ends; nil while it goes on
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
	return conn.Read(p)
}

// Write writes with a deadline of its own.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if err := conn.SetWriteDeadline(time.Now().Add(s.writeTimeout)); err != nil {
		return 0, err
	}
	return conn.Write(p)
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

// unpark ends the wait; a wait that end ended is its reason.
func (s *stream) unpark(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked = false
	if err != nil && s.closing != nil {
		return s.closing
	}
	return err
}

// stop lets the session end before its next command.
func (s *stream) stop() { s.end(errClosing) }

// end is stop for another reason.
func (s *stream) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = why
	if s.parked {
		s.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// abort cuts the connection below TLS: it never waits for the client, and is
// safe beside everything.
func (s *stream) abort() { s.raw.Close() }

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
