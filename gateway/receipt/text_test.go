package receipt

import (
	"strings"
	"testing"
	"time"
	"unicode"
)

// TestCatalogueComplete: each event has its texts, in the right script.
func TestCatalogueComplete(t *testing.T) {
	for event := range events {
		says, ok := catalogue[event]
		if !ok {
			t.Errorf("%s is not in the catalogue", event)
			continue
		}
		for _, p := range []phrase{says.subject, says.title, says.lead, says.next} {
			checkPhrase(t, string(event), p, 0)
		}
		if says.due != (phrase{}) {
			checkPhrase(t, string(event), says.due, 1)
		}
	}
	for event := range catalogue {
		if !event.Known() {
			t.Errorf("%s is in the catalogue only", event)
		}
	}
	for event := range outcomes {
		if !event.Known() {
			t.Errorf("outcome of unknown %s", event)
		}
	}
	for name, table := range map[string]map[string]phrase{"state": states, "type": letterTypes, "signature": signatureResults} {
		for key, p := range table {
			checkPhrase(t, name+" "+key, p, 0)
		}
	}
	for action, n := range notices {
		checkPhrase(t, string(action), n.subject, 0)
		checkPhrase(t, string(action), n.lead, 0)
	}
}

func checkPhrase(t *testing.T, what string, p phrase, verbs int) {
	t.Helper()
	if strings.Count(p.ru, "%s") != verbs || strings.Count(p.en, "%s") != verbs || strings.Count(p.ru+p.en, "%") != 2*verbs {
		t.Errorf("%s: verbs of %q and %q", what, p.ru, p.en)
	}
	cyrillic := func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) }
	if !strings.ContainsFunc(p.ru, cyrillic) || strings.ContainsFunc(p.en, cyrillic) || p.en == "" {
		t.Errorf("%s: %q and %q", what, p.ru, p.en)
	}
}

func TestLabel(t *testing.T) {
	tests := []struct{ letterType, state, ru, en string }{
		{"simple", "accepted", "в обработке", "in process"},
		{"registered", "processing", "в обработке", "in process"},
		{"simple", "sent", "отправлено", "sent"},
		{"registered-ezp", "sent", "Отправлено", "Sent"},
		{"simple", "delivered", "доставлено", "delivered"},
		{"reply", "delivered", "доставлено", "delivered"},
		{"registered", "delivered", "Требуется подтверждение", "Confirmation required"},
		{"registered-ezp", "delivered", "Требуется подтверждение", "Confirmation required"},
		{"notice", "delivered", "Требуется подтверждение", "Confirmation required"},
		{"appeal", "delivered", "Получено", "Received"},
		{"appeal", "opened", "Получено", "Received"},
		{"notice", "opened", "прочитано", "opened"},
		{"registered", "acknowledged", "Получено", "Received"},
		{"registered-ezp", "acknowledged", "Принято", "Accepted"},
		{"notice", "acknowledged", "Принято", "Accepted"},
		{"registered", "refused", "Отказано", "Refused"},
		{"appeal", "declined", "Отклонено", "Declined"},
		{"registered", "expired", "Не получено", "Not received"},
		{"simple", "undeliverable", "Не доставлено", "Not delivered"},
		{"appeal", "in_work", "В работе", "In work"},
		{"registered", "recalled", "Отозвано", "Recalled"},
		{"registered", "annulled", "Аннулировано", "Annulled"},
		{"unheard-of", "delivered", "доставлено", "delivered"},
		{"simple", "unheard-of", "unheard-of", "unheard-of"},
	}
	for _, test := range tests {
		if ru, en := Label(test.letterType, test.state, Russian), Label(test.letterType, test.state, English); ru != test.ru || en != test.en {
			t.Errorf("%s %s: %q and %q, want %q and %q", test.letterType, test.state, ru, en, test.ru, test.en)
		}
	}
	// What an event leads to always has a label.
	for event, row := range events {
		if _, ok := states[row.state]; row.state != "" && !ok {
			t.Errorf("%s leads to %q, which has no label", event, row.state)
		}
	}
}

func TestTextTimes(t *testing.T) {
	o := newOffice(t)
	tests := []struct {
		at     time.Time
		ru, en string
	}{
		{time.Date(2026, 12, 21, 21, 0, 0, 0, time.UTC),
			"24:00 21 декабря 2026 г. (МСК)", "24:00 on 21 December 2026 (Moscow time)"},
		{time.Date(2026, 12, 31, 21, 0, 0, 0, time.UTC),
			"24:00 31 декабря 2026 г. (МСК)", "24:00 on 31 December 2026 (Moscow time)"},
		{epoch, "21.11.2026 15:04:05 МСК (UTC+03:00), 2026-11-21T12:04:05.123Z",
			"21.11.2026 15:04:05 Moscow time (UTC+03:00), 2026-11-21T12:04:05.123Z"},
	}
	for _, test := range tests {
		ru, en := &writer{language: Russian, zone: o.zone}, &writer{language: English, zone: o.zone}
		if got := ru.due(test.at); got != test.ru {
			t.Errorf("got %q, want %q", got, test.ru)
		}
		if got := en.due(test.at); got != test.en {
			t.Errorf("got %q, want %q", got, test.en)
		}
	}
}

func TestTextRecall(t *testing.T) {
	o := newOffice(t)
	ev, to := full(), mailing()
	to.RecallUntil = epoch.Add(5 * time.Minute)
	ev.Event = SubmissionAcceptance
	if got := o.text(o.seal(t, ev), to); !strings.Contains(got, "До 21.11.2026 15:09:05 МСК (UTC+03:00), 2026-11-21T12:09:05.123Z письмо можно отозвать.") {
		t.Errorf("no recall time in\n%s", got)
	}
	ev.Event = ContentHandover
	if got := o.text(o.seal(t, ev), to); strings.Contains(got, "отозвать") {
		t.Errorf("a letter that was opened can be recalled:\n%s", got)
	}
}

func TestTextLists(t *testing.T) {
	o := newOffice(t)
	ev := full()
	ev.Event = SubmissionAcceptance
	for range 99 {
		ev.Recipients = append(ev.Recipients, Recipient{Address: "a@b.example"})
	}
	got := o.text(o.seal(t, ev), mailing())
	if n := strings.Count(got, "Получатель: "); n != shown || !strings.Contains(got, "... +50\n") {
		t.Errorf("%d recipients listed", n)
	}
}
