package registry

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// columns are those of the table, in the order of the canonical form.
var columns = []string{
	"id", "kind", "name", "short_name", "inn", "kpp", "ogrn", "addresses",
	"aliases", "keyword", "status", "valid_from", "valid_to", "post",
}

// optionalColumns are the last ones of columns that the canonical form leaves
// out where no entry has them: tables keep their hash from before there were
// such columns.
const optionalColumns = 1

var requiredColumns = []string{"id", "kind", "name", "addresses"}

// moscow is where days begin and end. It has had no other offset since 2014,
// and registry entries are about now.
var moscow = time.FixedZone("MSK", 3*60*60)

// Load reads a table in CSV (RFC 4180, UTF-8 with or without BOM, separated by
// commas or semicolons), all or nothing. The first row names the columns: id,
// kind, name and addresses, and any of short_name, inn, kpp, ogrn, aliases,
// keyword, status (active when empty), valid_from, valid_to and post (yes for
// who is registered with the postal operator, else no or empty). Addresses and
// aliases are separated by spaces. Dates are days in Moscow, both inclusive,
// or RFC 3339 times.
//
// The error is a *LoadError that names everything wrong with every row, or
// that of the reader.
func Load(r io.Reader) (*Registry, error) {
	in := bufio.NewReader(r)
	if bom, _ := in.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		in.Discard(3)
	}
	table := csv.NewReader(in)
	table.Comma = separator(in)
	table.FieldsPerRecord = -1
	table.ReuseRecord = true
	b := newBuilder(0)
	index, width, err := readHeader(table, b)
	if err != nil {
		return nil, err
	}
	for !b.err.More {
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if bad := new(csv.ParseError); errors.As(err, &bad) {
			// After a stray quote nothing that follows can be trusted.
			b.fail(bad.Line, "", bad.Err.Error())
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read recipient registry: %w", err)
		}
		row, _ := table.FieldPos(0)
		if len(record) != width {
			b.fail(row, "", fmt.Sprintf("has %d columns, the first row has %d", len(record), width))
			continue
		}
		b.addRecord(row, record, index)
	}
	return b.build()
}

// separator is a semicolon when the first line has more of them than commas:
// what a Russian spreadsheet writes.
func separator(in *bufio.Reader) rune {
	head, _ := in.Peek(1024)
	line, _, _ := bytes.Cut(head, []byte("\n"))
	if bytes.Count(line, []byte(";")) > bytes.Count(line, []byte(",")) {
		return ';'
	}
	return ','
}

// readHeader gives the position of each known column, -1 for those that are
// not there, and the number of columns.
func readHeader(table *csv.Reader, b *builder) (index []int, width int, err error) {
	header, err := table.Read()
	if bad := new(csv.ParseError); errors.Is(err, io.EOF) || errors.As(err, &bad) {
		b.fail(1, "", "the first row must name the columns: "+strings.Join(columns, ","))
		return nil, 0, &b.err
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read recipient registry: %w", err)
	}
	index = slices.Repeat([]int{-1}, len(columns))
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		switch at := slices.Index(columns, name); {
		case at < 0:
			b.fail(1, "", fmt.Sprintf("unknown column %q; known are %s", name, strings.Join(columns, ",")))
		case index[at] >= 0:
			b.fail(1, name, "is there twice")
		default:
			index[at] = i
		}
	}
	for _, name := range requiredColumns {
		if index[slices.Index(columns, name)] < 0 {
			b.fail(1, name, "the column is missing")
		}
	}
	if len(b.err.Rows) > 0 {
		return nil, 0, &b.err
	}
	return index, len(header), nil
}

// addRecord makes an entry of a row.
func (b *builder) addRecord(row int, record []string, index []int) {
	at := 0
	next := func() string {
		i := index[at]
		at++
		if i < 0 {
			return ""
		}
		return strings.TrimSpace(record[i])
	}
	for i, field := range record {
		if !utf8.ValidString(field) {
			b.fail(row, "", fmt.Sprintf("column %d is not UTF-8", i+1))
			return
		}
	}
	// In the order of columns.
	e := Entry{
		ID: next(), Kind: Kind(next()), Name: next(), ShortName: next(),
		INN: next(), KPP: next(), OGRN: next(),
		Addresses: strings.Fields(next()), Aliases: strings.Fields(next()),
		Keyword: next(), Status: Status(next()),
	}
	var err error
	if e.ValidFrom, err = parseDay(next(), false); err != nil {
		b.fail(row, "valid_from", err.Error())
	}
	if e.ValidTo, err = parseDay(next(), true); err != nil {
		b.fail(row, "valid_to", err.Error())
	}
	if e.Post, err = parseYes(next()); err != nil {
		b.fail(row, "post", err.Error())
	}
	b.add(row, e.normal())
}

func parseYes(s string) (bool, error) {
	switch s {
	case "yes":
		return true, nil
	case "", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q: want yes or no", s)
}

// parseDay reads a day or a time; last gives the end of the day instead of its
// beginning.
func parseDay(s string, last bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, moscow); err == nil {
		if last {
			t = t.AddDate(0, 0, 1)
		}
		return t.UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1 {
		return time.Time{}, fmt.Errorf("%q: want a day like 2026-01-31", s)
	}
	return t.UTC(), nil
}

func formatYes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// formatDay is the inverse of parseDay.
func formatDay(t time.Time, last bool) string {
	if t.IsZero() {
		return ""
	}
	day := t.In(moscow)
	if last {
		day = day.AddDate(0, 0, -1)
	}
	if day.Hour() == 0 && day.Minute() == 0 && day.Second() == 0 && day.Nanosecond() == 0 && day.Year() > 0 && day.Year() < 10000 {
		return day.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}

// WriteCSV writes the canonical form, which Load reads back: all columns, by
// ascending ID, with commas, LF and no BOM. The column post is there when an
// entry has it.
func (r *Registry) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	width := len(columns)
	if !slices.ContainsFunc(r.entries, func(e Entry) bool { return e.Post }) {
		width -= optionalColumns
	}
	if err := out.Write(columns[:width]); err != nil {
		return fmt.Errorf("write recipient registry: %w", err)
	}
	record := make([]string, 0, len(columns))
	for _, e := range r.entries {
		record = append(record[:0],
			e.ID, string(e.Kind), e.Name, e.ShortName, e.INN, e.KPP, e.OGRN,
			strings.Join(e.Addresses, " "), strings.Join(e.Aliases, " "),
			e.Keyword, string(e.Status), formatDay(e.ValidFrom, false), formatDay(e.ValidTo, true), formatYes(e.Post))
		if err := out.Write(record[:width]); err != nil {
			return fmt.Errorf("write recipient registry: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write recipient registry: %w", err)
	}
	return nil
}
