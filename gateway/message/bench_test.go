package message

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// withFile is a letter with an attachment of about size octets as transferred.
func withFile(size int) []byte {
	var b bytes.Buffer
	b.WriteString("From: a@b.example\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n" +
		"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x5a, 0xc3, 0x11}, 19)) + "\r\n"
	b.WriteString(strings.Repeat(line, size/len(line)))
	b.WriteString("--b--\r\n")
	return b.Bytes()
}

var benchLetters = []struct {
	name string
	raw  []byte
}{
	{"4KiB", usualLetter(4 << 10)}, {"100KiB", withFile(100 << 10)}, {"5MiB", withFile(5 << 20)},
	{"5MiBtext", usualLetter(5 << 20)},
}

func BenchmarkParse(b *testing.B) {
	for _, l := range benchLetters {
		b.Run(l.name, func(b *testing.B) {
			b.SetBytes(int64(len(l.raw)))
			b.ReportAllocs()
			for b.Loop() {
				parse(l.raw, Limits{})
			}
		})
	}
}

func BenchmarkIndex(b *testing.B) {
	for _, l := range benchLetters {
		b.Run(l.name, func(b *testing.B) {
			b.SetBytes(int64(len(l.raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Index(bytes.NewReader(l.raw), Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEnvelope(b *testing.B) {
	enc := parse(usualLetter(4<<10), Limits{}).Summary()
	b.ReportMetric(float64(len(enc)), "octets")
	b.ReportAllocs()
	for b.Loop() {
		s, err := DecodeSummary(enc)
		if err != nil || len(s.Envelope()) == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkFields(b *testing.B) {
	s := summaryOf(b, usualLetter(4<<10))
	names := strings.Fields("From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Fields(names, false); !ok {
			b.Fatal("not stored")
		}
	}
}

func BenchmarkScanText(b *testing.B) {
	raw := usualLetter(100 << 10)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if err := ScanText(bytes.NewReader(raw), Limits{}, func([]byte) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
