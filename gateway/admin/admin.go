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

	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/recovery"
	"gosbridge/gateway/template"
	"gosbridge/gateway/transfer"
	"gosbridge/mailstore"
	"gosbridge/policy/registry"
)

// Options are what a Service works on.
type Options struct {
	Store mailstore.Store
	// Checker checks and repairs the same store.
	Checker mailstore.Checker
	Office  *letter.Office
	// Accounts makes accounts with all that they start with.
	Accounts *template.Provider
	// Registry is the registry in force.
	Registry func() *registry.Registry
	// Types are the letter types in force.
	Types func() []string
	// Check says what a registry to import lacks that the gateway cannot do
	// without; nil asks nothing.
	Check func(*registry.Registry) error
	// Import replaces the registry with a table, which has been checked, and
	// puts it in force.
	Import func(ctx context.Context, csv []byte) error
	// Reload reads the configuration again; nil on a stopped gateway.
	Reload func() Reloaded
	// RotateKey exchanges the master key; ErrConflict when it is in use.
	RotateKey func(ctx context.Context, key [32]byte) error
	// Sessions are those that are open; nil on a stopped gateway.
	Sessions Sessions
	Backup   Backup
	// Recovery is what the store knows of having been restored.
	Recovery *recovery.Recovery
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service does the operations. Safe for concurrent use.
type Service struct {
	o          Options
	passwords  *auth.Passwords
	mover      *transfer.Mover
	exports    exports
	operations map[string]operation
}

// operation answers one request. One that changes something is logged.
type operation struct {
	changes bool
	long    bool
	answer  func(ctx context.Context, request json.RawMessage) (any, error)
}

// New returns a service.
func New(o Options) *Service {
	s := &Service{
		o: o, passwords: auth.NewPasswords(),
		mover: transfer.New(transfer.Options{Store: o.Store, Owns: letter.Owns, Now: o.Now}),
	}
	s.operations = map[string]operation{
		OpAccountAdd:       change(s.accountAdd),
		OpAccountList:      look(s.accountList),
		OpAccountPassword:  change(s.accountPassword),
		OpAccountDisable:   change(s.accountDisable),
		OpAccountEnable:    change(s.accountEnable),
		OpAccountHold:      change(s.accountHold),
		OpAccountRelease:   change(s.accountRelease),
		OpCredentialAdd:    change(s.credentialAdd),
		OpCredentialList:   look(s.credentialList),
		OpCredentialRevoke: change(s.credentialRevoke),
		OpLetterList:       look(s.letterList),
		OpLetterShow:       look(s.letterShow),
		OpLetterRecall:     change(s.letterRecall),
		OpLetterExport:     change(s.letterExport),
		OpLetterHold:       change(s.letterHold),
		OpLetterRelease:    change(s.letterRelease),
		OpVaultList:        look(s.vaultList),
		OpVaultRestore:     change(s.vaultRestore),
		OpRegistryShow:     look(s.registryShow),
		OpRegistryList:     look(s.registryList),
		OpRegistrySearch:   look(s.registrySearch),
		OpRegistryImport:   change(s.registryImport),
		OpComplete:         look(s.complete),
		OpReload:           change(s.reload),
		OpSessionList:      look(s.sessionList),
		OpSessionKick:      change(s.sessionKick),
		OpStoreCheck:       long(look(s.storeCheck)),
		OpStoreRepair:      long(change(s.storeRepair)),
		OpStoreRotateKey:   change(s.storeRotateKey),
		OpStoreBackup:      long(change(s.storeBackup)),
		OpStoreExport:      long(change(s.storeExport)),
		OpStoreImport:      long(change(s.storeImport)),
		OpStoreResume:      change(s.storeResume),
		OpKeyExported:      change(s.keyExported),
		OpStoreCompact:     long(change(s.storeCompact)),
	}
	return s
}

// The operations by name.
const (
	OpAccountAdd       = "account/add"
	OpAccountList      = "account/list"
	OpAccountPassword  = "account/password"
	OpAccountDisable   = "account/disable"
	OpAccountEnable    = "account/enable"
	OpAccountHold      = "account/hold"
	OpAccountRelease   = "account/release"
	OpCredentialAdd    = "credential/add"
	OpCredentialList   = "credential/list"
	OpCredentialRevoke = "credential/revoke"
	OpLetterList       = "letter/list"
	OpLetterShow       = "letter/show"
	OpLetterRecall     = "letter/recall"
	OpLetterExport     = "letter/export"
	OpLetterHold       = "letter/hold"
	OpLetterRelease    = "letter/release"
	OpVaultList        = "vault/list"
	OpVaultRestore     = "vault/restore"
	OpRegistryShow     = "registry/show"
	OpRegistryList     = "registry/list"
	OpRegistrySearch   = "registry/search"
	OpRegistryImport   = "registry/import"
	OpComplete         = "complete"
	OpReload           = "reload"
	OpSessionList      = "session/list"
	OpSessionKick      = "session/kick"
	OpStoreCheck       = "store/check"
	OpStoreRepair      = "store/repair"
	OpStoreBackup      = "store/backup"
	OpStoreExport      = "store/export"
	OpStoreImport      = "store/import"
	OpStoreResume      = "store/resume"
	OpKeyExported      = "key/exported"
	OpStoreCompact     = "store/compact"
)

// look makes an operation that changes nothing, change one that does.
func look[In, Out any](f func(context.Context, In) (Out, error)) operation {
	return operation{answer: handle(f)}
}

func change[In, Out any](f func(context.Context, In) (Out, error)) operation {
	return operation{changes: true, answer: handle(f)}
}

// handle makes a function with typed request and answer one of JSON. A field
// that is not known is an error: it may have meant something.
func handle[In, Out any](f func(context.Context, In) (Out, error)) func(context.Context, json.RawMessage) (any, error) {
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
	answer, err := f.answer(ctx, request)
	if f.changes {
		s.o.Logger.Info("operation", "operation", op, "uid", callerOf(ctx).uid, "done", err == nil)
	}
	if kind := KindOf(err); kind != "" {
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
	{"invalid", ErrInvalid, []error{auth.ErrInvalid}},
	{"not-found", ErrNotFound, []error{mailstore.ErrNoAccount, mailstore.ErrNoLetter, auth.ErrNoCredential}},
	{"conflict", ErrConflict, []error{mailstore.ErrExists, mailstore.ErrConflict, letter.ErrStale}},
	{"too-late", ErrTooLate, []error{letter.ErrTooLate, letter.ErrTakenBack}},
	{"forbidden", ErrForbidden, nil},
}

// KindOf names the kind of an error, for the socket and for scripts; "" for
// one of our own side.
func KindOf(err error) string {
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
