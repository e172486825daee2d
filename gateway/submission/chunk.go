package submission

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// maxIdle is how many commands within a message may bring none of its octets:
// a message holds a place and a file while it is on its way.
const maxIdle = 100

// chunk is the argument of BDAT (RFC 3030 §2).
type chunk struct {
	size int64 // octets that follow the command
	last bool
}

// parseChunk reads a whole BDAT line. Where it fails, nobody knows what
// follows: content or commands. So it is strict, first of all about the CRLF,
// after which the content begins.
func parseChunk(line []byte) (chunk, bool) {
	text, crlf := strings.CutSuffix(string(line), "\r\n")
	if !crlf || len(text) < 6 || !strings.EqualFold(text[:5], "BDAT ") {
		return chunk{}, false
	}
	words := strings.FieldsFunc(text[5:], func(r rune) bool { return r == ' ' })
	if len(words) == 0 || len(words) > 2 || strings.Trim(words[0], "0123456789") != "" {
		return chunk{}, false
	}
	size, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil { // more than anybody has
		return chunk{}, false
	}
	last := len(words) == 2
	if last && (len(words[1]) != 4 || !strings.EqualFold(words[1], "LAST")) { // no long s
		return chunk{}, false
	}
	return chunk{size: size, last: last}, true
}

// interruption is a command that ended a message before its last chunk.
type interruption struct {
	reply reply  // the answer to it
	held  []byte // or the command, when go-smtp answers it
	lost  bool   // what follows is not known to be commands
}

// Error implements error. What was read until then is no message.
func (i *interruption) Error() string {
	if i.held != nil {
		return "message given up by its client"
	}
	return "message interrupted: " + i.reply.text
}

// chunkReader gives the octets of a message that comes in chunks, exactly as
// they came. When a chunk is used up it acknowledges it and listens for the
// next command itself: the last chunk is io.EOF, RSET and its like are an
// interruption, and a connection that ends before is io.ErrUnexpectedEOF.
//
// go-smtp's own BDAT is not used. It runs the session in a second goroutine,
// which a command in between can overtake, and takes chunks through its
// buffers under its own limit of line lengths.
type chunkReader struct {
	conn *conn
	open chunk // being read
	left int64 // octets of it still to come
	room int64 // octets that the message may still have; negative without limit
	idle int   // commands that brought nothing
	err  error // what Read gives from now on
}

// newChunkReader begins a message of at most limit octets, 0 for any, whose
// first chunk follows on c.
func newChunkReader(c *conn, first chunk, limit int64) *chunkReader {
	if limit <= 0 {
		limit = -1
	}
	r := &chunkReader{conn: c, room: limit}
	r.begin(first)
	return r
}

// begin starts a chunk. One that does not fit is refused before it is read.
func (r *chunkReader) begin(c chunk) {
	r.open, r.left = c, c.size
	switch {
	case r.room < 0:
	case c.size > r.room:
		r.err = errTooLarge
	default:
		r.room -= c.size
	}
}

// Read implements io.Reader.
func (r *chunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.err == nil {
		switch {
		case r.left > 0:
			n, err := r.conn.in.Read(p[:min(int64(len(p)), r.left)])
			r.left -= int64(n)
			r.fail(err)
			if n > 0 {
				return n, nil
			}
		case r.open.last:
			r.err = io.EOF
		default:
			r.next()
		}
	}
	return 0, r.err
}

// fail keeps the error of a connection that ends within a message.
func (r *chunkReader) fail(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	r.err = err
}

// next acknowledges the chunk that is used up and listens until another one
// begins or the message is over.
func (r *chunkReader) next() {
	answer := replyChunk
	answer.text = strconv.FormatInt(r.open.size, 10) + " octets received"
	if r.open.size == 0 {
		r.idle++
	}
	for {
		if err := r.conn.say(answer); err != nil {
			r.err = err
			return
		}
		if r.idle > maxIdle {
			r.err = &interruption{reply: replyIdling, lost: true}
			return
		}
		line, err := r.conn.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine:
			r.err = &interruption{reply: replyLongLine, lost: true}
			return
		case err != nil:
			r.fail(err)
			return
		}
		done := false
		if answer, done = r.hear(line); done {
			return
		}
		r.idle++
	}
}

// hear deals with a command between two chunks, and reports whether listening
// is over; otherwise the command has an answer.
func (r *chunkReader) hear(line []byte) (answer reply, done bool) {
	word := verb(line)
	if strings.HasPrefix(word, "BDAT") {
		c, ok := parseChunk(line)
		if !ok {
			r.err = &interruption{reply: replyBadChunk, lost: true}
			return reply{}, true
		}
		r.begin(c)
		return reply{}, true
	}
	switch word {
	case "RSET", "EHLO", "HELO", "QUIT":
		r.err = &interruption{held: bytes.Clone(line)}
		return reply{}, true
	case "DATA": // RFC 3030 §2: the message cannot go on after that
		r.err = &interruption{reply: replyMixed}
		return reply{}, true
	case "NOOP":
		return replyNoop, false
	}
	return replyWithin, false
}

// verb is the word that a command line begins with, in upper case.
func verb(line []byte) string {
	if i := bytes.IndexAny(line, " \t\r\n"); i >= 0 {
		line = line[:i]
	}
	return strings.ToUpper(string(line[:min(len(line), 16)]))
}

// drain reads the rest of the chunk, whose sender must not send another one
// once it is refused (RFC 3030 §2), and reports whether a command follows.
func (r *chunkReader) drain() bool {
	var stop *interruption
	switch {
	case errors.As(r.err, &stop):
		return !stop.lost
	case r.err != nil && r.err != io.EOF && r.err != errTooLarge:
		return false
	case r.left > maxDrain:
		return false
	}
	n, err := io.CopyN(io.Discard, r.conn.in, r.left)
	if r.left -= n; err != nil {
		r.fail(err)
		return false
	}
	return true
}

// failure implements content.
func (r *chunkReader) failure() error { return r.err }

// bdat deals with a BDAT outside of a message. The first chunk of one is begun
// as DATA, so that go-smtp goes the way that it goes for every message; in any
// other place the chunk is read and refused, as it may have been on its way
// before the client heard of that (RFC 3030 §2). It reports whether go-smtp
// has something to read.
func (c *conn) bdat(line []byte) (bool, error) {
	first, ok := parseChunk(line)
	switch {
	case !ok:
		return false, c.bye(replyBadChunk)
	case c.state != nil && c.state.addressed():
		c.chunk = &first
		c.line = []byte("DATA\r\n")
		return true, nil
	case first.size > maxDrain-c.spoilt:
		return false, c.bye(replyNoMessage)
	}
	c.spoilt += first.size
	c.begin()
	_, err := io.CopyN(io.Discard, c.in, first.size)
	c.pause()
	if err != nil {
		return false, c.cannotRead(err, replySlow)
	}
	return false, c.say(replyNoMessage)
}
