package template

import "gosbridge/policy/registry"

// english is the language of accounts that chose it; all others read Russian.
const english = "en"

// phrase is one text in both languages.
type phrase struct{ ru, en string }

// in returns the text in a language.
func (p phrase) in(language string) string {
	if language == english {
		return p.en
	}
	return p.ru
}

// says is what the catalogue has of a letter type.
type says struct {
	title   phrase // subject of the template
	purpose phrase // what the type is for
}

// catalogue has the shipped types that a person sends. Others have the titles
// of their profiles and no purpose.
var catalogue = map[string]says{
	"simple": {
		phrase{"Простое письмо", "Simple letter"},
		phrase{
			"Обычная переписка: без подписи, получение не подтверждается.",
			"Ordinary correspondence: unsigned, and nobody is asked to acknowledge it.",
		},
	},
	"notify": {
		phrase{"Письмо с уведомлением", "Letter with notification"},
		phrase{
			"Вам сообщат, когда письмо доставлено и когда получатель его открыл.",
			"You are told when the letter was delivered and when the recipient opened it.",
		},
	},
	"registered": {
		phrase{"Заказное письмо", "Registered letter"},
		phrase{
			"Подписанное письмо; получателя просят подтвердить получение в срок.",
			"A signed letter; the recipient is asked to acknowledge it within a term.",
		},
	},
	"registered-ezp": {
		phrase{"Электронное заказное письмо", "Electronic registered letter"},
		phrase{
			"Как заказное письмо, но может быть направлено и гражданам.",
			"Like a registered letter, but it may go to persons too.",
		},
	},
	"appeal": {
		phrase{"Обращение", "Appeal"},
		phrase{
			"Обращение в государственный орган, который обязан его рассмотреть и ответить.",
			"An appeal to a state body, which has to consider and answer it.",
		},
	},
	"post": {
		phrase{"Письмо через почтового оператора", "Letter through the postal operator"},
		phrase{
			"Письмо тому, кто зарегистрирован у почтового оператора.",
			"A letter to somebody registered with the postal operator.",
		},
	},
	"notice": {
		phrase{"Официальное извещение", "Official notice"},
		phrase{
			"Извещение от имени государственного органа.",
			"A notice in the name of a state body.",
		},
	},
}

// kinds are the kinds of appeals.
var kinds = map[string]phrase{
	"complaint": {"жалоба", "complaint"},
	"proposal":  {"предложение", "proposal"},
	"statement": {"заявление", "statement"},
	"question":  {"запрос", "question"},
}

// parties are the kinds of recipients, as many.
var parties = map[registry.Kind]phrase{
	registry.StateBody:    {"государственные органы", "state bodies"},
	registry.Organisation: {"организации", "organisations"},
	registry.Proprietor:   {"индивидуальные предприниматели", "sole proprietors"},
	registry.Person:       {"граждане", "persons"},
}

// The words of the guidance.
var (
	wordReplace = phrase{
		"Это шаблон. Укажите получателя, замените тему и этот текст своими.",
		"This is a template. Name the recipient, and put your own subject and text in the place of these.",
	}
	wordFrom = phrase{
		"Письмо уйдёт этим типом, если в поле «От» стоит %s или сохранено поле X-Letter-Type: проверьте перед отправкой. Получатель увидит ваш обычный адрес.",
		"The letter goes out as this type if From is %s or the field X-Letter-Type was kept: look before you send. The recipient sees your usual address.",
	}
	wordUsual = phrase{
		"Такое письмо получается, если не выбран другой тип.",
		"A letter is of this type unless another is chosen.",
	}
	wordHeader = phrase{
		"Тип письма (%s) выбирают поля заголовка X-Letter-Type и X-Letter-Kind.",
		"The header fields X-Letter-Type and X-Letter-Kind choose the type of the letter (%s).",
	}
	wordLetter = phrase{"Письмо", "Letter"}

	wordRecipients = phrase{"Получатели", "Recipients"}
	wordAnyone     = phrase{"любые из реестра", "anyone in the registry"}
	wordPostal     = phrase{"зарегистрированные у почтового оператора", "those registered with the postal operator"}
	wordAtMost     = phrase{"не более %s", "%s at most"}
	wordHidden     = phrase{"Скрытые получатели (Bcc)", "Hidden recipients (Bcc)"}
	wordSubject    = phrase{"Знаков в теме", "Characters of the subject"}
	wordText       = phrase{"Знаков в тексте", "Characters of the text"}
	wordFiles      = phrase{"Файлов", "Files"}
	wordFile       = phrase{"Размер файла", "Size of a file"}
	wordSum        = phrase{"Всех файлов вместе", "All files together"}
	wordFormats    = phrase{"Форматы", "Formats"}
	wordSignature  = phrase{"Подпись", "Signature"}
	wordTerm       = phrase{"Срок подтверждения", "Term of the acknowledgement"}
	wordRecall     = phrase{"Отозвать можно в течение", "Can be recalled for"}
	wordFields     = phrase{"О вас должно быть известно", "What must be known of you"}

	wordNo         = phrase{"нельзя", "none"}
	wordUnsigned   = phrase{"нельзя", "none: the letter must not be signed"}
	wordOptional   = phrase{"по желанию", "as you like"}
	wordByGateway  = phrase{"обязательна; если вы не подписали письмо сами, его подпишет организация", "required; your organisation signs unless you did"}
	wordByYourself = phrase{"обязательна; подпишите письмо в почтовой программе", "required; sign in your mail program"}
)

// fieldWords are what a type can require to be known of its sender, by the
// names of policy.Fields.
var fieldWords = map[string]phrase{
	"name":         {"имя или название", "name"},
	"inn-or-snils": {"ИНН или СНИЛС", "INN or SNILS"},
	"phone":        {"телефон", "phone"},
	"email":        {"адрес почты", "e-mail"},
}

// units are those of policy.Octets, policy.Duration and policy.Period.
var (
	sizeUnits = map[string]phrase{
		"B": {"Б", "B"}, "KiB": {"КиБ", "KiB"}, "MiB": {"МиБ", "MiB"}, "GiB": {"ГиБ", "GiB"},
	}
	wordDays    = phrase{"дн.", "d"}
	wordMonths  = phrase{"мес.", "months"}
	wordYears   = phrase{"г.", "years"}
	wordHours   = phrase{"ч", "h"}
	wordMinutes = phrase{"мин", "min"}
	wordSeconds = phrase{"с", "s"}
)
