// Package admin is the operator's hand: what the commands do to a gateway,
// over a unix socket while it serves, or alone on a stopped one.
//
// It owns the operations and their form as JSON. Every operation is one
// function from a request to an answer, the same in both cases. It serves no
// network: who can open the socket, in a folder for its owner only, is the
// operator.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gosbridge/gateway/letter"
	"gosbridge/gateway/template"
	"gosbridge/mailstore"
	"gosbridge/policy/registry"
)

// Options are what a Service works on.
type Options struct {
	Store  mailstore.Store
	Office *letter.Office
	// Accounts makes accounts with all that they start with.
	Accounts *template.Provider
	// Registry is the registry in force.
	Registry func() *registry.Registry
	// Check says what a registry to import lacks that the gateway cannot do
	// without; nil asks nothing.
	Check func(*registry.Registry) error
	// Import replaces the registry with a table, which has been checked, and
	// puts it in force.
	Import func(ctx context.Context, csv []byte) error
	// Reload reads the configuration again; nil on a stopped gateway.
	Reload func() Reloaded
	// Sessions are those that are open; nil on a stopped gateway.
	Sessions Sessions
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service does the operations. Safe for concurrent use.
type Service struct {
	o          Options
	operations map[string]operation
}

// operation answers one request.
type operation func(ctx context.Context, request json.RawMessage) (any, error)

// New returns a service.
func New(o Options) *Service {
	s := &Service{o: o}
	s.operations = map[string]operation{
		OpAccountAdd:     handle(s.accountAdd),
		OpAccountList:    handle(s.accountList),
		OpCredentialAdd:  handle(s.credentialAdd),
		OpLetterList:     handle(s.letterList),
		OpLetterShow:     handle(s.letterShow),
		OpLetterRecall:   handle(s.letterRecall),
		OpRegistryShow:   handle(s.registryShow),
		OpRegistryImport: handle(s.registryImport),
		OpReload:         handle(s.reload),
		OpSessionList:    handle(s.sessionList),
		OpSessionKick:    handle(s.sessionKick),
	}
	return s
}

// The operations by name.
const (
	OpAccountAdd     = "account/add"
	OpAccountList    = "account/list"
	OpCredentialAdd  = "credential/add"
	OpLetterList     = "letter/list"
	OpLetterShow     = "letter/show"
	OpLetterRecall   = "letter/recall"
	OpRegistryShow   = "registry/show"
	OpRegistryImport = "registry/import"
	OpReload         = "reload"
	OpSessionList    = "session/list"
	OpSessionKick    = "session/kick"
)

// handle makes an operation of a function with typed request and answer. A
// field that is not known is an error: it may have meant something.
func handle[In, Out any](f func(context.Context, In) (Out, error)) operation {
	return func(ctx context.Context, request json.RawMessage) (any, error) {
		var in In
		if err := decodeStrict(request, &in); err != nil {
			return nil, fmt.Errorf("%w: request: %w", ErrInvalid, err)
		}
		return f(ctx, in)
	}
}

// Call does an operation. The request is anything that encodes to the JSON of
// its type; the answer is decoded into out.
func (s *Service) Call(ctx context.Context, op string, request, out any) error {
	data, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	answer, err := s.do(ctx, op, data)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if data, err = json.Marshal(answer); err == nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

func (s *Service) do(ctx context.Context, op string, request json.RawMessage) (any, error) {
	f, ok := s.operations[op]
	if !ok {
		return nil, fmt.Errorf("%w: no such operation", ErrInvalid)
	}
	answer, err := f(ctx, request)
	if kind := kindOf(err); kind != "" {
		err = &kindError{text: err.Error(), kind: kindNamed(kind), cause: err}
	}
	return answer, err
}

// What a caller can test for, over the socket as well.
var (
	ErrInvalid  = errors.New("invalid")
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
	ErrTooLate  = errors.New("too late")
)

// kinds are the names of errors on the socket.
var kinds = []struct {
	name string
	err  error
	from []error // what becomes of it
}{
	{"invalid", ErrInvalid, nil},
	{"not-found", ErrNotFound, []error{mailstore.ErrNoAccount, mailstore.ErrNoLetter}},
	{"conflict", ErrConflict, []error{mailstore.ErrExists, mailstore.ErrConflict}},
	{"too-late", ErrTooLate, []error{letter.ErrTooLate}},
}

// kindOf names an error for the socket; "" for one of our own side.
func kindOf(err error) string {
	for _, k := range kinds {
		for _, cause := range append(k.from, k.err) {
			if errors.Is(err, cause) {
				return k.name
			}
		}
	}
	return ""
}

// kindNamed is the error that a caller tests for.
func kindNamed(name string) error {
	for _, k := range kinds {
		if k.name == name {
			return k.err
		}
	}
	return nil
}

// kindError is an error with its kind; cause is nil when it came over the
// socket.
type kindError struct {
	text  string
	kind  error
	cause error
}

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}
