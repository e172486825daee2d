package mailfolder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gosbridge/gateway/imapd/wire"
	"gosbridge/mailstore"
)

// The folder given is INBOX, each other mailbox a folder in it whose name
// begins with a dot (Maildir++). Names are in modified UTF-7, as Dovecot, mbsync
// and OfflineIMAP have them. Files keep the CRLF of mail.

// maildirKeywords is the file with the names of keywords, as Dovecot has it:
// "0 name" is that of the letter a.
const (
	maildirKeywords = "dovecot-keywords"
	maxLetters      = 26
)

// maildirFlags are the letters of flags, in the order in which a name has them.
var maildirFlags = []struct {
	letter byte
	flag   mailstore.Flags
}{
	{'D', mailstore.Draft}, {'F', mailstore.Flagged}, {'R', mailstore.Answered},
	{'S', mailstore.Seen}, {'T', mailstore.Deleted},
}

// maildirWriter writes a Maildir++.
type maildirWriter struct {
	root       *os.Root
	started    int64 // unix time, with which names begin
	box        int   // number of the mailbox
	dir        string
	seq        int // of the message in the mailbox
	keywords   []string
	subscribed strings.Builder
}

// NewMaildirWriter writes a Maildir++ into an empty folder. The names of its
// files begin with the time it was started.
func NewMaildirWriter(root *os.Root, started time.Time) Writer {
	return &maildirWriter{root: root, started: started.Unix()}
}

func (w *maildirWriter) Begin(name string, subscribed bool) (renamed bool, err error) {
	if err := w.end(); err != nil {
		return false, err
	}
	w.box++
	w.seq, w.keywords, w.dir = 0, nil, "."
	file := wire.EncodeMailbox(fileName(name))
	if name != inbox {
		if renamed = len(file) > maxFileName; renamed {
			file = fmt.Sprintf(numbered, w.box)
		}
		w.dir = "." + file
		if err := w.root.Mkdir(w.dir, folderMode); err != nil {
			return renamed, err
		}
		if err := writeFile(w.root, path.Join(w.dir, "maildirfolder"), ""); err != nil {
			return renamed, err
		}
	}
	if subscribed {
		w.subscribed.WriteString(file + "\n")
	}
	for _, place := range []string{"cur", "new", "tmp"} {
		if err := w.root.Mkdir(path.Join(w.dir, place), folderMode); err != nil {
			return renamed, err
		}
	}
	return renamed, nil
}

func (w *maildirWriter) Add(m Message, size int64, octets io.Reader) (dropped int, err error) {
	w.seq++
	name := fmt.Sprintf("%d.V%dU%010d%s%d", w.started, w.box, w.seq, ownMark, size)
	info, dropped := w.info(m)
	part := path.Join(w.dir, "tmp", name)
	f, err := create(w.root, part)
	if err != nil {
		return dropped, err
	}
	n, err := io.Copy(f, octets)
	if err == nil && n != size {
		err = errSize(n, size)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return dropped, err
	}
	if err := w.root.Chtimes(part, m.Received, m.Received); err != nil {
		return dropped, err
	}
	return dropped, w.root.Rename(part, path.Join(w.dir, "cur", name+info))
}

// info is the end of a name: flags, and letters of keywords.
func (w *maildirWriter) info(m Message) (info string, dropped int) {
	letters := []byte(":2,")
	for _, f := range maildirFlags {
		if m.Flags&f.flag != 0 {
			letters = append(letters, f.letter)
		}
	}
	first := len(letters)
	for _, k := range m.Keywords {
		i := slices.Index(w.keywords, k)
		if i < 0 && len(w.keywords) == maxLetters {
			dropped++
			continue
		}
		if i < 0 {
			i = len(w.keywords)
			w.keywords = append(w.keywords, k)
		}
		letters = append(letters, 'a'+byte(i))
	}
	slices.Sort(letters[first:])
	return string(letters), dropped
}

// end writes what is known at the end of a mailbox only.
func (w *maildirWriter) end() error {
	if len(w.keywords) == 0 {
		return nil
	}
	var text strings.Builder
	for i, k := range w.keywords {
		fmt.Fprintf(&text, "%d %s\n", i, k)
	}
	return writeFile(w.root, path.Join(w.dir, maildirKeywords), text.String())
}

func (w *maildirWriter) Close() error {
	if err := w.end(); err != nil {
		return err
	}
	return writeFile(w.root, subscriptions, w.subscribed.String())
}

// OpenMaildir finds the mailboxes of a Maildir: the folder itself, which is
// INBOX; folders of Maildir++; and folders without a dot, one in the other, as
// mbsync and OfflineIMAP make them.
func OpenMaildir(fsys fs.FS) (*Tree, error) {
	t := &Tree{fsys: fsys, read: readMaildir}
	if err := t.findMaildirs(".", ""); err != nil {
		return nil, err
	}
	if len(t.Folders) == 0 {
		return nil, errors.New("no Maildir: there is no folder cur in it, or in a folder of it")
	}
	err := t.subscribe(func(line string) string { return mailboxName(decoded(line)) })
	return t, err
}

// findMaildirs adds a folder, if it is a Maildir, and those in it.
func (t *Tree) findMaildirs(dir, name string) error {
	if strings.Count(name, string(mailstore.Delimiter)) > mailstore.MaxNameLevels {
		return nil // no mailbox can have such a name
	}
	list, err := fs.ReadDir(t.fsys, dir)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(e fs.DirEntry) bool { return e.IsDir() && e.Name() == "cur" }) {
		f := Folder{Name: name, path: dir}
		if name == "" {
			f.Name = inbox
		}
		t.Folders = append(t.Folders, f)
	}
	for _, e := range list {
		if !e.IsDir() || slices.Contains([]string{"cur", "new", "tmp"}, e.Name()) {
			continue
		}
		below, plus := strings.CutPrefix(e.Name(), ".")
		if plus && dir != "." {
			continue // Maildir++ has all folders in the first
		}
		if below = decoded(below); plus {
			below = mailboxName(below)
		}
		if name != "" {
			below = name + string(mailstore.Delimiter) + below
		}
		if err := t.findMaildirs(path.Join(dir, e.Name()), below); err != nil {
			return err
		}
	}
	return nil
}

// ownMark stands in the name of a file that this package wrote, before its
// size: its octets are those of the message.
const ownMark = ".gosbridge,S="

var ownName = regexp.MustCompile(`\.gosbridge,S=(\d+)(?:[,:]|$)`)

// maildirFile is a file of a Maildir.
type maildirFile struct {
	dir, name string
	time      int64 // with which the name begins
}

func (a maildirFile) compare(b maildirFile) int {
	if a.time != b.time {
		if a.time < b.time {
			return -1
		}
		return 1
	}
	return strings.Compare(a.name, b.name)
}

// readMaildir yields the messages of cur and new, older names first.
func readMaildir(fsys fs.FS, dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		keywords, err := readKeywords(fsys, path.Join(dir, maildirKeywords))
		if err != nil {
			yield(Entry{}, err)
			return
		}
		var files []maildirFile
		for _, place := range []string{"cur", "new"} {
			list, err := fs.ReadDir(fsys, path.Join(dir, place))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				yield(Entry{}, err)
				return
			}
			for _, e := range list {
				if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
					digits, _, _ := strings.Cut(e.Name(), ".")
					at, _ := strconv.ParseInt(digits, 10, 64) // 0: before all that have a time
					files = append(files, maildirFile{path.Join(dir, place), e.Name(), at})
				}
			}
		}
		slices.SortFunc(files, maildirFile.compare)
		for _, file := range files {
			if !yieldFile(fsys, file, keywords, yield) {
				return
			}
		}
	}
}

// yieldFile yields one message.
func yieldFile(fsys fs.FS, file maildirFile, keywords map[byte]string, yield func(Entry, error) bool) bool {
	f, err := fsys.Open(path.Join(file.dir, file.name))
	if err != nil {
		yield(Entry{}, err)
		return false
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		yield(Entry{}, err)
		return false
	}
	e := Entry{Message: parseInfo(file.name, keywords), Octets: f}
	e.Received = info.ModTime()
	if own := ownName.FindStringSubmatch(file.name); own == nil || own[1] != strconv.FormatInt(info.Size(), 10) {
		e.Octets = &crlf{r: f}
	}
	return yield(e, nil)
}

// parseInfo reads flags and keywords from the name of a file. ";" and "!"
// stand for ":" on systems that cannot have that in a name.
func parseInfo(name string, keywords map[byte]string) (m Message) {
	at := strings.LastIndex(name, "2,")
	if at < 1 || !strings.ContainsRune(":;!", rune(name[at-1])) {
		return m
	}
	for _, c := range []byte(name[at+2:]) {
		for _, f := range maildirFlags {
			if f.letter == c {
				m.Flags |= f.flag
			}
		}
		if k := keywords[c]; k != "" && !slices.Contains(m.Keywords, k) {
			m.Keywords = append(m.Keywords, k)
		}
	}
	return m
}

// readKeywords reads the names of the letters.
func readKeywords(fsys fs.FS, name string) (map[byte]string, error) {
	list, err := lines(fsys, name)
	if err != nil {
		return nil, err
	}
	keywords := map[byte]string{}
	for _, line := range list {
		number, keyword, _ := strings.Cut(line, " ")
		if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < maxLetters {
			keywords['a'+byte(n)] = keyword
		}
	}
	return keywords, nil
}
