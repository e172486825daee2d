package policy

import (
	"time"

	"gosbridge/policy/fileformat"
	"gosbridge/policy/registry"
)

// DefaultProfiles are the letter types as shipped, sorted by name. Each call
// gives fresh values.
func DefaultProfiles() []Profile {
	return []Profile{
		appeal(), notice(), notify(), post(), registered(), registeredEZP(), reply(), simple(),
	}
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

// general are the formats of ordinary letters, papers those of legal ones.
func general() []string {
	return []string{
		fileformat.PDF, fileformat.DOC, fileformat.DOCX, fileformat.XLS,
		fileformat.XLSX, fileformat.JPG, fileformat.PNG,
	}
}

func papers() []string {
	return []string{fileformat.PDF, fileformat.DOCX, fileformat.JPG, fileformat.PNG}
}

// files sets the limits of the attachments: size of each and of all, how many,
// and of which formats.
func (p *Profile) files(each, sum Octets, least, most Count, formats []string) {
	p.FileMax, p.SumMax = each, sum
	p.FilesMin, p.FilesMax = least, most
	p.Formats = formats
}

func simple() Profile {
	p := shared("simple", "простое", "simple")
	p.files(2*MiB, 2*MiB, 0, 5, general())
	p.Signature = Forbidden
	p.Bcc = true
	p.Recall = RecallWithdraw
	p.KeepSent, p.KeepReceived = Years(1), Years(1)
	return p
}

func notify() Profile {
	p := shared("notify", "с уведомлением", "with notification")
	p.files(5*MiB, 20*MiB, 0, 5, append(general(), fileformat.ZIP))
	p.Signature = Optional
	p.Handover = true
	p.Recall = RecallWithdraw
	p.Remind = true
	p.KeepSent, p.KeepReceived = Years(3), Years(3)
	return p
}

func registered() Profile {
	p := shared("registered", "заказное", "registered")
	p.files(10*MiB, 20*MiB, 1, 5, []string{fileformat.PDF, fileformat.DOCX})
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

// registeredEZP is the electronic registered letter: to persons too, opening
// it acknowledges, and the sender may choose a shorter term.
func registeredEZP() Profile {
	p := registered()
	p.Type, p.Title, p.TitleEn = "registered-ezp", "электронное заказное", "electronic registered"
	p.files(10*MiB, 20*MiB, 0, 5, papers())
	p.Recipients = registry.Kinds()
	p.Acknowledge = append(p.Acknowledge, AckOpening)
	p.TermMax = Days(30)
	return p
}

func appeal() Profile {
	p := shared("appeal", "обращение", "appeal")
	p.files(10*MiB, 20*MiB, 0, 5, general())
	p.Signature = Optional
	p.Recipients = []registry.Kind{registry.StateBody}
	p.MaxRecipients = 1
	p.Acknowledge = []Acknowledgement{AckRegistration}
	p.Term = Days(30)
	p.Recall = RecallHold
	p.ReminderDays = []int{25}
	p.KeepSent, p.KeepReceived = Years(5), Years(5)
	p.Kinds = []string{"complaint", "proposal", "statement", "question"}
	p.RequiredField = Fields()
	return p
}

// post does not ask for the cover that a postal operator puts around a letter:
// nothing makes one yet, and a promise that is not kept is worth less than none.
func post() Profile {
	p := shared("post", "через почту", "postal")
	p.files(10*MiB, 20*MiB, 0, 5, papers())
	p.FreeMax = 5 * MiB
	p.Signature = Optional
	p.Scope = ScopePost
	p.MaxRecipients = 20
	p.Acknowledge = []Acknowledgement{AckButton, AckLink}
	p.Handover = true
	p.Term = Days(30)
	p.Recall = RecallHold
	p.Remind = true
	p.KeepSent, p.KeepReceived = Years(3), Years(3)
	return p
}

func reply() Profile {
	p := shared("reply", "ответ", "reply")
	p.files(10*MiB, 30*MiB, 0, 10, []string{
		fileformat.PDF, fileformat.DOCX, fileformat.XLSX, fileformat.JPG, fileformat.PNG,
	})
	p.Signature = Optional
	p.Scope = ScopeCorrespondent
	p.MaxRecipients = 1
	p.Recall = RecallWithdraw
	p.KeepSent, p.KeepReceived = Years(3), Years(3)
	return p
}

func notice() Profile {
	p := shared("notice", "извещение", "notice")
	p.Senders = []registry.Kind{registry.StateBody}
	p.files(10*MiB, 20*MiB, 0, 5, papers())
	p.Signature = Required
	p.MaxRecipients = 1000
	p.Acknowledge = []Acknowledgement{AckButton}
	p.Handover = true
	p.Term = Days(30)
	p.Recall = RecallWithdraw
	p.ReminderDays = []int{21}
	p.KeepSent, p.KeepReceived = Years(5), Period{Unlimited: true}
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
