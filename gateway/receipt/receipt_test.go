package receipt

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/mailstore"
)

var update = flag.Bool("update", false, "write the golden files anew")

// epoch is when everything in these tests happens.
var epoch = time.Date(2026, time.November, 21, 12, 4, 5, 123456789, time.UTC)

func id(n byte) mailstore.ID {
	return mailstore.ID{0x01, 0x9a, 0xa6, 0x4b, 0x1c, 0xe3, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n}
}

func digest(n byte) Digest { return Digest{0: n, 31: 0xff} }

// full is an evidence with every field.
func full() Evidence {
	return Evidence{
		Version: Schema, ID: id(1), Event: ContentConsignment,
		At: epoch, Issued: epoch.Add(7 * time.Millisecond), Inferred: true,
		Letter: Letter{
			ID: id(2), Number: "GP-202611-00000001-5", Case: "А40-1/2026", Type: "registered",
			MessageID: "<a@org.example>", EnvelopeID: "QQ314159",
		},
		Profile: Profile{Name: "registered", SHA256: digest(1)},
		Sender: Sender{
			Account: id(3), Address: "ivanov@romashka.example", Name: `ООО "Ромашка" <&>`,
			INN: "7707083893", OGRN: "1027700132195", Assurance: "password",
		},
		Recipients: []Recipient{{
			Address: "fns@gov.example", Name: "Федеральная налоговая служба", RegistryID: "fns",
			Registry: digest(2), INN: "7707329152", OGRN: "1047707030513",
		}},
		Submitted: Content{SHA256: digest(3), Size: 12345},
		Sent:      Content{SHA256: digest(4), Size: 13579},
		Files: []File{
			{Name: "Договор № 7.pdf", Type: "application/pdf", Size: 1000, SHA256: digest(5)},
			{Name: "пустой.pdf", Type: "application/pdf", SHA256: digest(6)},
		},
		Signature: Signature{Result: "valid", By: "gateway", Subject: "CN=ООО Ромашка", Certificate: digest(7)},
		NextHop:   "RR123",
		Expected:  time.Date(2026, time.December, 21, 21, 0, 0, 0, time.UTC),
		Reasons:   []Reason{{Code: "text-too-long", En: "text of 10,001 characters", Ru: "текст из 10 001 знака", Status: "5.6.0"}},
		Previous:  digest(8), Signer: digest(9), Authority: "Оператор «Мост»",
	}
}

// plainOne is the least that an evidence can say.
func plainOne() Evidence {
	return Evidence{
		Version: Schema, ID: id(1), Event: SubmissionRejection, At: epoch, Issued: epoch, Signer: digest(9),
	}
}

func mailing() Mailing {
	return Mailing{
		To: "ivanov@romashka.example", Language: Russian, Subject: "Заявление о выдаче справки",
		MessageID: "<a@org.example>", References: []string{"<r1@org.example>", "<r2@org.example>"},
		OriginalHeader: []byte("From: ivanov@romashka.example\r\nSubject: =?utf-8?B?0JQ=?=\r\nMessage-ID: <a@org.example>\r\n\r\n"),
	}
}

// office is an authority with an operator's key, and a Maker on it.
type office struct {
	*Maker
	authority *certs.Authority
	verifier  certs.Verifier
}

func newOffice(t testing.TB) office {
	t.Helper()
	authority, err := certs.NewAuthority("Test CA", epoch)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.Issue(certs.Request{
		Purpose: certs.Signing, Name: "Operator", Emails: []string{"receipts@bridge.example"}, At: epoch,
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := issued.Signer("operator")
	if err != nil {
		t.Fatal(err)
	}
	maker, err := New(Options{
		Signer: cms.NewSigner(raw), From: "receipts@bridge.example", Name: "Оператор «Мост»",
		Now: func() time.Time { return epoch },
	})
	if err != nil {
		t.Fatal(err)
	}
	return office{maker, authority, cms.NewVerifier(authority.Trust(), certs.Signing)}
}

// seal is Seal without an error.
func (o office) seal(t testing.TB, ev Evidence) Sealed {
	t.Helper()
	s, err := o.Seal(ev)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (o office) mail(t testing.TB, s Sealed, to Mailing) []byte {
	t.Helper()
	b, err := o.Mail(context.Background(), s, to)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verify checks an opened receipt's signature.
func (o office) verify(t testing.TB, r *Opened) certs.Report {
	t.Helper()
	report, err := o.verifier.Verify(context.Background(), r.Signature, bytes.NewReader(r.Entity), epoch)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (write it anew with -update if that is meant):\n%s", path, firstDifference(got, want))
	}
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}
