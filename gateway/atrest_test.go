package gateway_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/gatewaytest"
)

// hidden are the words of TestNothingReadableAtRest that no file may have, by
// what they are. Each stands nowhere else.
var hidden = map[string]string{
	"subject":          "Квартальныйотчёт",
	"text":             "Прошузарегистрировать",
	"large text":       "Длинноеприложение",
	"file name":        "Доверенность",
	"mailbox":          "Входящиедела",
	"renamed mailbox":  "Исходящиедела",
	"keyword":          "secretkeyword",
	"display name":     "Пётрсекретарь",
	"appended subject": "Черновикписьма",
	"header field":     "headerfieldsecret",
	"sender":           gatewaytest.Sender,
	"recipient":        gatewaytest.Body,
	"password":         gatewaytest.Password + "-person",
}

// forms are those in which a word could stand in a file: as it is, in other
// cases, as UTF-16, percent-encoded, and what base64 makes of its middle at each
// of the three alignments.
func forms(word string) [][]byte {
	var all [][]byte
	for _, w := range []string{word, strings.ToLower(word), strings.ToUpper(word)} {
		all = append(all, []byte(w), []byte(url.PathEscape(w)))
		var wide []byte
		for _, u := range utf16.Encode([]rune(w)) {
			wide = append(wide, byte(u), byte(u>>8))
		}
		all = append(all, wide)
		for shift := range 3 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + w))
			all = append(all, []byte(text[4:len(text)-4]))
		}
	}
	return all
}

// Nobody reads in the files of the data folder what was written, by whom and to
// whom: not while the gateway serves, and not after it stopped.
func TestNothingReadableAtRest(t *testing.T) {
	g := gatewaytest.Start(t)
	number := writeHidden(t, g)
	search := func(when string) {
		t.Helper()
		numbers := 0
		err := filepath.WalkDir(g.Config.Data, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			numbers += bytes.Count(content, []byte(number))
			for what, word := range hidden {
				for _, form := range forms(word) {
					if at := bytes.Index(content, form); at >= 0 {
						t.Errorf("%s: %s as %q at %d of %s", when, what, form, at, d.Name())
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if numbers == 0 { // numbers of letters are in the clear
			t.Errorf("%s: the search does not even find %s", when, number)
		}
	}
	search("serving")
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	search("stopped")
}

// writeHidden does what clients do with the hidden words, and returns the
// number of the letter.
func writeHidden(t *testing.T, g *gatewaytest.Gateway) string {
	t.Helper()
	large := strings.Repeat(hidden["large text"]+"\r\n", 2000)
	letter := fmt.Sprintf("From: %s <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 09:00:00 +0300\r\nX-Letter-Type: notify\r\n"+
		"X-Own: %s\r\nMessage-ID: <atrest@client.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=frontier\r\n\r\n"+
		"--frontier\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n--frontier\r\n"+
		"Content-Type: application/pdf; name=\"%s.pdf\"\r\nContent-Disposition: attachment; filename=\"%[7]s.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--frontier--\r\n",
		hidden["display name"], gatewaytest.Sender, gatewaytest.Body, hidden["subject"], hidden["header field"], hidden["text"], hidden["file name"], document(t))
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body}, []byte(letter))
	number := regexp.MustCompile(`GP-\d{6}-\d+-\d`).FindString(reply)
	if code != 250 || number == "" {
		t.Fatalf("%d %s", code, reply)
	}
	c := dialIMAP(t, g, gatewaytest.Sender, "person")
	eventually(t, "delivered", func() bool { return has(flags(t, c, "Sent"), "Letter-Delivered") })
	for _, err := range []error{c.Create(hidden["mailbox"], nil).Wait(), c.Create(hidden["mailbox"]+"2", nil).Wait(),
		c.Rename(hidden["mailbox"]+"2", hidden["renamed mailbox"], nil).Wait()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"short", large} {
		draft := fmt.Sprintf("From: <%s>\r\nSubject: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s %s\r\n",
			gatewaytest.Sender, hidden["appended subject"], hidden["text"], text)
		into := c.Append(hidden["mailbox"], int64(len(draft)), &imap.AppendOptions{Flags: []imap.Flag{imap.Flag(hidden["keyword"])}})
		if _, err := into.Write([]byte(draft)); err != nil {
			t.Fatal(err)
		}
		if err := into.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := into.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Select(hidden["mailbox"], nil).Wait(); err != nil {
		t.Fatal(err)
	}
	found, err := c.Search(&imap.SearchCriteria{Body: []string{strings.ToLower(hidden["large text"])}}, nil).Wait()
	if err != nil || len(found.AllSeqNums()) != 1 {
		t.Fatalf("search: %v, %v", found, err)
	}
	return number
}
