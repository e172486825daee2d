package submission

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gosbridge/policy"
)

// What fails on our side is in the log with its cause, and in the reply
// without; what is wrong with a letter is in the reply only.
func TestRefuseLogsOurCauses(t *testing.T) {
	cause := errors.New("token in slot 3 does not answer")
	full := errors.Join(policy.NewRefusal(policy.New(policy.SignerUnavailable)), cause)
	for _, c := range []struct {
		err    error
		code   int
		logged bool
	}{
		{full, 451, true},
		{fmt.Errorf("accept: %w", full), 451, true},
		{cause, 451, true},
		{policy.NewRefusal(policy.New(policy.FileFormat, "secret.exe", "exe", []string{"pdf"})), 550, false},
		{fmt.Errorf("accept: %w", policy.NewRefusal(policy.New(policy.FileFormat, "secret.exe", "exe", []string{"pdf"}))), 550, false},
	} {
		var log bytes.Buffer
		r := refuse(slog.New(slog.NewTextHandler(&log, nil)), c.err)
		if r.Code != c.code || strings.Contains(r.Message, "slot 3") {
			t.Errorf("%v: reply %d %s", c.err, r.Code, r.Message)
		}
		if strings.Contains(log.String(), "slot 3") != c.logged || strings.Contains(log.String(), "secret") {
			t.Errorf("%v: log %s", c.err, log.String())
		}
	}
}
