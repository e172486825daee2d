package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// maxRequest bounds a request, in octets: a registry of 200,000 entries fits.
const maxRequest = 128 << 20

// maxPath is how long the path of a socket may be on all systems, in octets
// (struct sockaddr_un has 104 on BSD and macOS, 108 on Linux, a NUL included).
const maxPath = 103

// SocketPath is where the socket of a data folder is.
func SocketPath(data string) string { return filepath.Join(data, "admin", "socket") }

// Listen makes the socket: mode 0600, in a folder of mode 0700. A socket left
// by a process that is gone is replaced; the caller holds the data folder's
// lock, so no other process serves it.
func Listen(data string) (net.Listener, error) {
	path := SocketPath(data)
	if len(path) > maxPath {
		return nil, fmt.Errorf("admin socket %s: the path is too long, a data folder's may have %d octets",
			path, maxPath-len(SocketPath("/")))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), ln.Close())
	}
	return ln, nil
}

// failure is the answer to a request that failed.
type failure struct {
	Error string `json:"error"`
	Kind  string `json:"kind,omitempty"`
}

// Serve answers requests on the socket until ctx ends. It closes ln.
func (s *Service) Serve(ctx context.Context, ln net.Listener) error {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(ctx, w, r) })
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: withCaller,
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("admin socket: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := server.Shutdown(grace)
	<-done
	return err
}

// answer is one request: POST /operation with the request as JSON. A long
// operation is answered with lines of JSON, and given up when service ends.
func (s *Service) answer(service context.Context, w http.ResponseWriter, r *http.Request) {
	who := callerOf(r.Context())
	var request []byte
	err := who.err // who may do nothing is not even listened to
	if err == nil {
		request, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	}
	op := r.URL.Path[1:]
	if err == nil && s.operations[op].long {
		s.answerLong(service, w, r, request)
		return
	}
	var out any
	if err == nil {
		out, err = s.do(r.Context(), op, request)
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		kind := KindOf(err)
		if who.err != nil {
			s.o.Logger.Warn("caller refused", "operation", r.URL.Path, "uid", who.uid, "err", err)
		} else if kind == "" {
			s.o.Logger.Error("admin request failed", "operation", r.URL.Path, "err", err)
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		out = failure{Error: err.Error(), Kind: kind}
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.o.Logger.Warn("admin answer not sent", "operation", r.URL.Path, "err", err)
	}
}

// answerLong is the answer to a long operation. It begins before the outcome
// is known, so its status says nothing.
func (s *Service) answerLong(service context.Context, w http.ResponseWriter, r *http.Request, request []byte) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(service, cancel)()
	t := newTeller(w)
	out, err := s.do(WithProgress(ctx, t.note), r.URL.Path[1:], request)
	var last line
	if err == nil {
		last.Answer, err = json.Marshal(out)
	}
	if err != nil {
		last.failure = failure{Error: err.Error(), Kind: KindOf(err)}
		if last.Kind == "" {
			s.o.Logger.Error("admin request failed", "operation", r.URL.Path, "err", err)
		}
	}
	if err := t.finish(last); err != nil {
		s.o.Logger.Warn("admin answer not sent", "operation", r.URL.Path, "err", err)
	}
}

// Client calls the operations of a gateway that serves.
type Client struct {
	http *http.Client
}

// ErrNotServing says that no gateway serves the data folder.
var ErrNotServing = errors.New("no gateway is serving this data folder")

// Dial returns a client of the gateway that serves a data folder;
// ErrNotServing when there is none.
func Dial(ctx context.Context, data string) (*Client, error) {
	var d net.Dialer
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", SocketPath(data))
	}
	conn, err := dial(ctx, "", "")
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNotServing, err)
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// Call does an operation; see Service.Call.
func (c *Client) Call(ctx context.Context, op string, request, out any) (err error) {
	data, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gosbridge/"+op, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(answer.Body).Decode(&f); err != nil {
			return fmt.Errorf("%s: %s", op, answer.Status)
		}
		return f.as(op)
	}
	if answer.Header.Get("Content-Type") == linesOfJSON {
		return readLines(ctx, op, answer.Body, out)
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// as is the failure of an operation as an error.
func (f failure) as(op string) error {
	if kind := kindNamed(f.Kind); kind != nil {
		return &kindError{text: op + ": " + f.Error, kind: kind}
	}
	return fmt.Errorf("%s: %s", op, f.Error)
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// decodeStrict reads one JSON value and refuses fields that are not known, and
// what follows the value.
func decodeStrict(data []byte, into any) error {
	if len(data) == 0 {
		data = []byte("{}")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
