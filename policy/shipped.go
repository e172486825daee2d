package policy

import (
	"time"

	"gosbridge/policy/fileformat"
	"gosbridge/policy/registry"
)

// DefaultProfiles are the letter types as shipped, sorted by name. Each call
// gives fresh values.
func DefaultProfiles() []Profile {
	return []Profile{registered(), simple()}
}

// shared is what all types have in common.
func shared(name, title, english string) Profile {
	return Profile{
		Type:          name,
		Title:         title,
		TitleEn:       english,
		Assurance:     "password",
		Consent:       ConsentNone,
		SubjectMin:    1,
		SubjectMax:    150,
		TextMin:       1,
		TextMax:       10_000,
		HTML:          true,
		FreeMax:       AnySize,
		FileNames:     true,
		NameMax:       255,
		AdviseDPI:     300,
		Timestamp:     Optional,
		Scope:         ScopeRegistry,
		TermFrom:      TermFromDelivery,
		RecallWindow:  Duration(5 * time.Minute),
		DelayWarning:  Duration(12 * time.Hour),
		DelayFailure:  Duration(24 * time.Hour),
		MaxRecipients: 50,
	}
}

func simple() Profile {
	p := shared("simple", "простое", "simple")
	p.FileMax, p.SumMax = 2*MiB, 2*MiB
	p.FilesMin, p.FilesMax = 0, 5
	p.Formats = []string{
		fileformat.PDF, fileformat.DOC, fileformat.DOCX, fileformat.XLS,
		fileformat.XLSX, fileformat.JPG, fileformat.PNG,
	}
	p.Signature = Forbidden
	p.Bcc = true
	p.Recall = RecallWithdraw
	p.KeepSent, p.KeepReceived = Years(1), Years(1)
	return p
}

func registered() Profile {
	p := shared("registered", "заказное", "registered")
	p.FileMax, p.SumMax = 10*MiB, 20*MiB
	p.FilesMin, p.FilesMax = 1, 5
	p.Formats = []string{fileformat.PDF, fileformat.DOCX}
	p.Signature = Required
	p.Recipients = []registry.Kind{registry.StateBody, registry.Organisation, registry.Proprietor}
	p.MaxRecipients = 20
	p.Acknowledge = []Acknowledgement{AckButton, AckReply, AckSignedReceipt}
	p.Handover = true
	p.Term = Days(30)
	p.Recall = RecallHold
	p.Annul = true
	p.Remind = true
	p.ReminderDays = []int{7, 21, 28}
	p.KeepSent, p.KeepReceived = Years(5), Years(5)
	return p
}

// Unlimited is a type that refuses nothing by content: no limits, no formats,
// no hold and no signature. Load tests use it, and a new type may start from
// it.
func Unlimited(name string) Profile {
	p := shared(name, name, name)
	p.SubjectMin, p.SubjectMax = 0, AnyCount
	p.TextMin, p.TextMax = 0, AnyCount
	p.FileMax, p.SumMax = AnySize, AnySize
	p.FilesMin, p.FilesMax = 0, AnyCount
	p.FileNames, p.NameMax = false, AnyCount
	p.AdviseDPI = 0
	p.Signature = Optional
	p.MaxRecipients = AnyCount
	p.Bcc = true
	p.Recall = RecallNone
	p.RecallWindow = 0
	p.KeepSent = Period{Unlimited: true}
	p.KeepReceived = Period{Unlimited: true}
	return p
}
