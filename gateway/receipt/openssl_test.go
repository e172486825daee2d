package receipt

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gosbridge/certs"
)

// TestOpenSSL verifies real receipts as docs/evidence.md tells people to.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	o := newOffice(t)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	save(t, ca, certs.EncodeCertificates(o.authority.Certificate()))
	s := o.seal(t, full())
	for _, depth := range []Depth{Full, Brief, Short} {
		t.Run(string(depth), func(t *testing.T) {
			to := mailing()
			to.Depth = depth
			raw := o.mail(t, s, to)
			receipt, signed := filepath.Join(dir, "receipt.eml"), filepath.Join(dir, "signed.txt")
			save(t, receipt, raw)
			verify := []string{"cms", "-verify", "-cades", "-CAfile", ca, "-attime", "1795262645",
				"-in", receipt, "-out", signed}
			if out, err := exec.Command("openssl", verify...).CombinedOutput(); err != nil {
				t.Fatalf("openssl %s: %v\n%s", strings.Join(verify, " "), err, out)
			}
			r, err := Open(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			out, err := os.ReadFile(signed)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out, r.Entity) {
				t.Errorf("openssl read %d octets as signed, Open %d", len(out), len(r.Entity))
			}
			old := []string{"smime", "-verify", "-CAfile", ca, "-attime", "1795262645", "-in", receipt, "-out", signed}
			if out, err := exec.Command("openssl", old...).CombinedOutput(); err != nil {
				t.Errorf("openssl %s: %v\n%s", strings.Join(old, " "), err, out)
			}
			save(t, receipt, bytes.Replace(raw, []byte("Action: delivered"), []byte("Action: delivereD"), 1))
			if out, err := exec.Command("openssl", verify...).CombinedOutput(); err == nil {
				t.Errorf("openssl takes a changed receipt:\n%s", out)
			}
		})
	}
}

func save(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
