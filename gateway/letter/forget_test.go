package letter_test

import (
	"testing"
	"time"

	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
)

// In a store that was restored owners are told anew of the ends of terms, and
// have their days, for what they did after the backup is lost; so is what kept
// copies out of the vault or on hold, which is left alone for a week.
func TestTermsAfterRestore(t *testing.T) {
	r := newRig(t, 1)
	vaulted := r.deliverKept(1)
	r.expunge(r.sender, mailstore.RoleSent)
	var shown []mailstore.ID
	for i := range uint64(251) { // one more than a slice
		shown = append(shown, r.deliverKept(2+i))
	}
	r.retainAt(sentEnds.Add(-20 * day)) // told; then the backup
	if err := letter.ForgetNotices(t.Context(), r.store, r.sender.ID); err != nil {
		t.Fatal(err)
	}
	told := len(r.notices(r.sender))
	r.resumed = sentEnds.Add(day)
	r.retainAt(r.resumed)
	if n := len(r.notices(r.sender)); n != 2*told || told == 0 {
		t.Errorf("%d notices, before the restore %d", n, told)
	}
	r.retainAt(r.resumed.Add(7*day - time.Second))
	for _, id := range append(shown[:2:2], shown[250]) {
		r.wantPlace(id, mailstore.Sender, "mailbox", "told anew")
	}
	r.wantPlace(vaulted, mailstore.Sender, "vault", "in the first week")
	r.retainAt(r.resumed.Add(7 * day))
	for _, id := range append(shown[:2:2], shown[250]) {
		r.wantPlace(id, mailstore.Sender, "gone", "after the week")
	}
	r.wantPlace(vaulted, mailstore.Sender, "gone", "after the week")
}
