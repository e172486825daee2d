package gateway_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/certs/smime"
	"gosbridge/gateway/gatewaytest"
)

// keyOf is where the test installation has the key of an organisation.
func keyOf(g *gatewaytest.Gateway, name string) (key, cert string) {
	dir := filepath.Dir(g.Installed.AuthorityFile())
	return filepath.Join(dir, name+".key"), filepath.Join(dir, name+".pem")
}

// signedBy is a letter that a mail program signed with somebody's key.
func signedBy(t *testing.T, g *gatewaytest.Gateway, name string, entity []byte, header ...string) []byte {
	t.Helper()
	key, cert := keyOf(g, name)
	raw, err := certs.LoadSigner(key, cert, name)
	if err != nil {
		t.Fatal(err)
	}
	form, err := smime.Compose(t.Context(), cms.NewSigner(raw), bytes.NewReader(entity), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join([][]byte{outer(header...), form.Prefix, entity, form.Suffix}, nil)
}

// outer is the header of a letter but for its Content fields.
func outer(header ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: Signed\r\n", gatewaytest.Sender, gatewaytest.Body)
	fmt.Fprintf(&b, "Message-ID: <%d@client.example>\r\nMIME-Version: 1.0\r\n", time.Now().UnixNano())
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	return b.Bytes()
}

// opaqueBy is a letter whose content is inside its signature.
func opaqueBy(t *testing.T, g *gatewaytest.Gateway, name string, entity []byte, header ...string) []byte {
	t.Helper()
	keyFile, certFile := keyOf(g, name)
	read := func(file string) []byte {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		return block.Bytes
	}
	key, err := x509.ParsePKCS8PrivateKey(read(keyFile))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(read(certFile))
	if err != nil {
		t.Fatal(err)
	}
	data, err := pkcs7.NewSignedData(entity)
	if err != nil {
		t.Fatal(err)
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := data.AddSigner(cert, key.(crypto.Signer), pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	der, err := data.Finish()
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.NewBuffer(outer(header...))
	b.WriteString("Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n" +
		"Content-Disposition: attachment; filename=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(der) + "\r\n")
	return b.Bytes()
}

// A letter that its sender's own program signed goes out byte for byte; a
// signature of somebody else, or a broken one, is refused.
func TestClientSigns(t *testing.T) {
	g := gatewaytest.Start(t)
	whole := compose(t, gatewaytest.Sender, gatewaytest.Body, "x")
	entity := whole[bytes.Index(whole, []byte("Content-Type: multipart/mixed")):]
	registered := "X-Letter-Type: registered"
	good := signedBy(t, g, "romashka", entity, registered)
	for _, c := range []struct {
		name   string
		letter []byte
		code   int
		reply  string
	}{
		{"own, 8-bit", good, 250, "registered"},
		{"with Bcc to oneself", signedBy(t, g, "romashka", entity, registered, "Bcc: <"+gatewaytest.Body+">"), 250, "registered"},
		{"somebody else's", signedBy(t, g, "inspection", entity, registered), 550, "5.7.1 signature-of-other"},
		{"changed", bytes.Replace(good, []byte("frontier--"), []byte("frontier-- "), 1), 550, "5.7.7 signature-"},
		{"forbidden by the type", signedBy(t, g, "romashka", entity), 550, "5.7.1 signature-"},
		{"without file", signedBy(t, g, "romashka", []byte("Content-Type: text/plain\r\n\r\nText\r\n"), registered), 550, "files-missing"},
		{"opaque", opaqueBy(t, g, "romashka", entity, registered), 550, "5.6.1 content-enclosed"},
		{"encrypted", append(outer(registered), "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n"+
			"Content-Transfer-Encoding: base64\r\n\r\nMIIB\r\n"...), 550, "5.6.1 content-enclosed"},
		{"opaque, forbidden", opaqueBy(t, g, "romashka", entity), 550, "signature-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(rows(t, g, gatewaytest.Body, "INBOX"))
			code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body}, c.letter)
			if code != c.code || !strings.Contains(reply, c.reply) {
				t.Fatalf("reply %d %s", code, reply)
			}
			if code != 250 {
				return
			}
			eventually(t, "delivery", func() bool { return len(rows(t, g, gatewaytest.Body, "INBOX")) > before })
			body := c.letter[bytes.Index(c.letter, []byte("Content-Type: multipart/signed")):]
			inbox := rows(t, g, gatewaytest.Body, "INBOX")
			if !bytes.HasSuffix(inbox[len(inbox)-1].octets, body) {
				t.Errorf("delivered:\n%.1500s", inbox[len(inbox)-1].octets)
			}
			if l := show(t, g, numberPattern.FindString(reply)); l.Signature != "valid (client)" {
				t.Errorf("signature %s", l.Signature)
			}
		})
	}
}
