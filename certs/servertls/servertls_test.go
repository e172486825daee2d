package servertls

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosbridge/certs"
)

// pair issues a listener's certificate into a folder and is its paths.
func pair(t *testing.T, authority *certs.Authority, dir string, request certs.Request) (certFile, keyFile string) {
	t.Helper()
	request.At = time.Now()
	issued, err := authority.Issue(request)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, request.Name+".pem"), filepath.Join(dir, request.Name+".key")
	if err := issued.Save(keyFile, certFile); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

func authority(t *testing.T) *certs.Authority {
	t.Helper()
	a, err := certs.NewAuthority("Test authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// handshake connects to a listener of the holder and is what it showed.
func handshake(t *testing.T, h *Holder, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", h.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_ = conn.(*tls.Conn).Handshake() // the client's side is tested
		_ = conn.Close()
	}()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", listener.Addr().String(), client)
	if err == nil {
		defer conn.Close()
	}
	<-done
	if err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), nil
}

// TestAdopt serves one certificate, then another, without a new listener
// config.
func TestAdopt(t *testing.T) {
	a, dir := authority(t), t.TempDir()
	request := certs.Request{Purpose: certs.Listener, Name: "mx", Hosts: []string{"mx.example", "127.0.0.1"}}
	certFile, keyFile := pair(t, a, dir, request)
	h, err := Load(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	client := &tls.Config{RootCAs: a.Trust().Pool(certs.Listener), ServerName: "mx.example"}
	state, err := handshake(t, h, client)
	if err != nil {
		t.Fatal(err)
	}
	first := h.Certificate()
	if !state.PeerCertificates[0].Equal(first) || state.Version != tls.VersionTLS13 {
		t.Error("another certificate, or not TLS 1.3")
	}
	config := h.Config()

	request.Term = time.Hour
	pair(t, a, dir, request)
	fresh, err := Load(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if !h.Certificate().Equal(first) {
		t.Error("the certificate changed before it was adopted")
	}
	h.Adopt(fresh)
	second, err := config.GetCertificate(nil)
	if err != nil || second.Leaf.Equal(first) || time.Until(h.NotAfter()) > time.Hour {
		t.Errorf("still the first certificate, until %s, %v", h.NotAfter(), err)
	}
	if state, err := handshake(t, h, client); err != nil || !state.PeerCertificates[0].Equal(second.Leaf) {
		t.Errorf("after the reload: %v", err)
	}
}

// TestVersions refuses TLS 1.1.
func TestVersions(t *testing.T) {
	a := authority(t)
	h, err := Load(pair(t, a, t.TempDir(), certs.Request{Purpose: certs.Listener, Name: "mx", Hosts: []string{"mx.example"}}))
	if err != nil {
		t.Fatal(err)
	}
	for version, accepted := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		client := &tls.Config{RootCAs: a.Trust().Pool(certs.Listener), ServerName: "mx.example", MinVersion: tls.VersionTLS10, MaxVersion: version}
		if _, err := handshake(t, h, client); (err == nil) != accepted {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

// TestLoadRefuses says what is wrong with a pair.
func TestLoadRefuses(t *testing.T) {
	a, dir := authority(t), t.TempDir()
	certFile, keyFile := pair(t, a, dir, certs.Request{Purpose: certs.Listener, Name: "mx", Hosts: []string{"mx.example"}})
	_, otherKey := pair(t, a, dir, certs.Request{Purpose: certs.Listener, Name: "other", Hosts: []string{"mx.example"}})
	garbage := filepath.Join(dir, "garbage.pem")
	if err := os.WriteFile(garbage, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	namelessCert, namelessKey := pair(t, a, dir, certs.Request{Purpose: certs.Signing, Name: "nameless"})
	signingCert, signingKey := pair(t, a, dir, certs.Request{Purpose: certs.Signing, Name: "signing", Hosts: []string{"mx.example"}})
	for _, test := range []struct{ cert, key, wrong string }{
		{certFile, otherKey, "does not belong"},
		{keyFile, keyFile, "no certificate"},
		{garbage, keyFile, garbage},
		{certFile, certFile, "chmod 600"},
		{namelessCert, namelessKey, "names no host"},
		{signingCert, signingKey, "not for listener"},
		{filepath.Join(dir, "absent"), keyFile, "no such file"},
		{certFile, filepath.Join(dir, "absent"), "no such file"},
	} {
		if _, err := Load(test.cert, test.key); err == nil || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s with %s: %v, want %q", test.cert, test.key, err, test.wrong)
		}
	}
	if h, err := Load(certFile, keyFile); err != nil || h.NotAfter().IsZero() {
		t.Errorf("the right pair: %v", err)
	}
}
