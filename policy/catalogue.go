package policy

import "slices"

// Stage is where in the dialogue a reason is told at the earliest.
type Stage string

// The stages.
const (
	StageConnect Stage = "connect"
	StageAuth    Stage = "AUTH"
	StageMail    Stage = "MAIL"
	StageRcpt    Stage = "RCPT"
	StageData    Stage = "end of DATA"
	StageAny     Stage = "any"
)

// Reason is one row of the catalogue: all that is said about a code. In the
// texts {0}, {1} stand for the values that New is given.
type Reason struct {
	Code     Code
	Stage    Stage
	SMTP     int
	Enhanced [3]int
	Values   []string // what {0}, {1}, ... are
	En, Ru   string
	// What the sender can do.
	RemedyEn, RemedyRu string
	// Content says that the reason is about the letter's own content, so that
	// a profile may turn it into an advice.
	Content bool
}

// Catalogue is all reasons, in the order in which they weigh. The slice is a
// copy.
func Catalogue() []Reason { return slices.Clone(catalogue) }

// Reason gives the row of the code; false for a code that is not in the
// catalogue.
func (c Code) Reason() (Reason, bool) {
	i, ok := places[c]
	if !ok {
		return Reason{Code: c}, false
	}
	return catalogue[i], true
}

// place is the position in the catalogue; unknown codes come last.
func (c Code) place() int {
	if i, ok := places[c]; ok {
		return i
	}
	return len(catalogue)
}

// catalogue has the order of the table of refusals: what comes first decides
// the reply among equals.
var catalogue = slices.Concat(atDoor, ofRecipients, ofFiles, ofText, ofForm, ofSignature, ofOurs, ofLimits)

var places = func() map[Code]int {
	m := make(map[Code]int, len(catalogue))
	for i, r := range catalogue {
		m[r.Code] = i
	}
	return m
}()

var atDoor = []Reason{
	{
		Code: NotAuthenticated, Stage: StageMail, SMTP: 530, Enhanced: [3]int{5, 7, 0},
		En: "authentication required", Ru: "требуется вход",
		RemedyEn: "Turn on authentication for the outgoing server in the mail program.",
		RemedyRu: "Включите в почтовой программе вход на сервер исходящей почты.",
	},
	{
		Code: EncryptionRequired, Stage: StageAuth, SMTP: 530, Enhanced: [3]int{5, 7, 0},
		En: "encryption required: start TLS first", Ru: "требуется шифрование: сначала TLS",
		RemedyEn: "Choose SSL/TLS or STARTTLS for the outgoing server.",
		RemedyRu: "Выберите для сервера исходящей почты SSL/TLS или STARTTLS.",
	},
	{
		Code: CredentialsInvalid, Stage: StageAuth, SMTP: 535, Enhanced: [3]int{5, 7, 8},
		En: "user name or password not accepted", Ru: "имя или пароль не приняты",
		RemedyEn: "Use the app password that was issued for this program.",
		RemedyRu: "Введите пароль приложения, выданный для этой программы.",
	},
	{
		Code: AccountBlocked, Stage: StageAuth, SMTP: 535, Enhanced: [3]int{5, 7, 8},
		En: "account is blocked", Ru: "учётная запись заблокирована",
		RemedyEn: "Ask the administrator of the gateway.",
		RemedyRu: "Обратитесь к администратору шлюза.",
	},
	{
		Code: SenderNotOwned, Stage: StageMail, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"address"},
		En: "{0} is not an address of this account", Ru: "адрес {0} не принадлежит этой учётной записи",
		RemedyEn: "Send from an address of your own account.",
		RemedyRu: "Отправьте письмо с адреса своей учётной записи.",
	},
	{
		Code: FromNotOwned, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"address"},
		En: "From names {0}, which is not an address of this account", Ru: "в поле «От» стоит {0}: это не адрес этой учётной записи",
		RemedyEn: "Choose a sender identity of your own account.",
		RemedyRu: "Выберите отправителя своей учётной записи.",
	},
	{
		Code: SenderRight, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"letter type"},
		En: "this account may not send letters of type {0}", Ru: "у этой учётной записи нет права отправлять письма вида «{0}»",
		RemedyEn: "Ask the administrator for the right, or choose another type.",
		RemedyRu: "Попросите это право у администратора или выберите другой вид письма.",
	},
	{
		Code: SenderKind, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"kind", "letter type"},
		En: "a sender of kind {0} may not send letters of type {1}", Ru: "отправитель ({0}) не может отправлять письма вида «{1}»",
		RemedyEn: "Choose another type of letter.",
		RemedyRu: "Выберите другой вид письма.",
	},
	{
		Code: AssuranceTooLow, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"assurance of the login", "needed"},
		En: "login by {0}, but this type of letter needs {1}", Ru: "вход выполнен так: {0}, а для этого вида письма нужно: {1}",
		RemedyEn: "Log in by the stronger means.",
		RemedyRu: "Войдите более надёжным способом.",
	},
	{
		Code: SizeExceeded, Stage: StageMail, SMTP: 552, Enhanced: [3]int{5, 3, 4}, Values: []string{"size", "limit"},
		En: "message has {0}, the largest that is accepted has {1}", Ru: "размер сообщения {0}, наибольший допустимый {1}",
		RemedyEn: "Make the files smaller, or send them in several letters.",
		RemedyRu: "Уменьшите файлы или отправьте их несколькими письмами.",
	},
}

var ofRecipients = []Reason{
	{
		Code: RecipientUnknown, Stage: StageRcpt, SMTP: 550, Enhanced: [3]int{5, 1, 1}, Values: []string{"address"},
		En: "{0} is not in the registry", Ru: "адресата {0} нет в реестре",
		RemedyEn: "Check the address.",
		RemedyRu: "Проверьте адрес.",
	},
	{
		Code: RecipientNear, Stage: StageRcpt, SMTP: 550, Enhanced: [3]int{5, 1, 1}, Values: []string{"address", "near names"},
		En: "{0} is not in the registry; near: {1}", Ru: "адресата {0} нет в реестре; похожие: {1}",
		RemedyEn: "Check the address; perhaps one of the near ones is meant.",
		RemedyRu: "Проверьте адрес: возможно, имелся в виду один из похожих.",
	},
	{
		Code: RecipientNumber, Stage: StageRcpt, SMTP: 553, Enhanced: [3]int{5, 1, 3}, Values: []string{"number"},
		En: "check digit of {0} is wrong: not an INN or OGRN", Ru: "контрольная цифра {0} неверна: это не ИНН и не ОГРН",
		RemedyEn: "Check the number digit by digit.",
		RemedyRu: "Сверьте номер по цифрам.",
	},
	{
		Code: RecipientAddress, Stage: StageRcpt, SMTP: 553, Enhanced: [3]int{5, 1, 3}, Values: []string{"address"},
		En: "{0} is not a valid address", Ru: "{0}: неверный адрес",
		RemedyEn: "An address has the form name@domain.",
		RemedyRu: "Адрес имеет вид имя@домен.",
	},
	{
		Code: RecipientArchived, Stage: StageRcpt, SMTP: 550, Enhanced: [3]int{5, 2, 1}, Values: []string{"address"},
		En: "{0} no longer exists", Ru: "адресат {0} больше не существует",
		RemedyEn: "Look for the legal successor in the registry.",
		RemedyRu: "Найдите в реестре правопреемника.",
	},
	{
		Code: RecipientLeft, Stage: StageRcpt, SMTP: 550, Enhanced: [3]int{5, 2, 1}, Values: []string{"address"},
		En: "{0} has left the service", Ru: "адресат {0} вышел из сервиса",
		RemedyEn: "Send the letter by another way.",
		RemedyRu: "Отправьте письмо другим способом.",
	},
	{
		// RFC 3463 §3.3: 5.2.1, mailbox disabled, not accepting messages.
		Code: RecipientBlocked, Stage: StageRcpt, SMTP: 550, Enhanced: [3]int{5, 2, 1}, Values: []string{"address"},
		En: "the mailbox of {0} is blocked", Ru: "ящик адресата {0} заблокирован",
		RemedyEn: "Send the letter by another way.",
		RemedyRu: "Отправьте письмо другим способом.",
	},
	{
		// RFC 3463 §3.5: 5.4.4, unable to route.
		Code: RecipientNoRoute, Stage: StageRcpt, SMTP: 550, Enhanced: [3]int{5, 4, 4}, Values: []string{"address"},
		En: "{0} is registered but has no mailbox on this gateway", Ru: "адресат {0} есть в реестре, но его ящика на этом шлюзе нет",
		RemedyEn: "Ask the operator, or send the letter by another way.",
		RemedyRu: "Обратитесь к оператору или отправьте письмо другим способом.",
	},
	{
		Code: RecipientsCeiling, Stage: StageRcpt, SMTP: 452, Enhanced: [3]int{4, 5, 3}, Values: []string{"limit"},
		En: "no more than {0} recipients at once", Ru: "не больше {0} получателей за один раз",
		RemedyEn: "The rest is accepted in the next transaction.",
		RemedyRu: "Остальные будут приняты следующей отправкой.",
	},
	{
		Code: NoRecipients, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 5, 3},
		En: "the letter has no recipient", Ru: "у письма нет получателя",
		RemedyEn: "Name a recipient.",
		RemedyRu: "Укажите получателя.",
	},
	{
		Code: TooManyRecipients, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 5, 3}, Values: []string{"count", "limit", "letter type"},
		En: "{0} recipients, letters of type {2} allow {1}", Ru: "получателей {0}, для писем вида «{2}» допустимо {1}",
		RemedyEn: "Send several letters to fewer recipients each.",
		RemedyRu: "Отправьте несколько писем, в каждом меньше получателей.",
	},
	{
		Code: RecipientKind, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"address", "kind", "letter type"},
		En: "{0} ({1}) cannot receive letters of type {2}", Ru: "{0} ({1}) не может получать письма вида «{2}»",
		RemedyEn: "Choose another type of letter for this recipient.",
		RemedyRu: "Выберите для этого получателя другой вид письма.",
	},
	{
		Code: RecipientScope, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"address", "letter type"},
		En: "{0} did not send the letter that is answered; type {1} goes only to its sender", Ru: "{0} не отправлял письмо, на которое даётся ответ; вид «{1}» только для его отправителя",
		RemedyEn: "Answer the letter itself, or choose another type.",
		RemedyRu: "Ответьте на само письмо или выберите другой вид.",
	},
	{
		Code: RecipientNoPost, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"address"},
		En: "{0} is not registered with the post", Ru: "адресат {0} не зарегистрирован в системе почты",
		RemedyEn: "Choose another type of letter.",
		RemedyRu: "Выберите другой вид письма.",
	},
	{
		Code: RecipientType, Stage: StageRcpt, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"address"},
		En: "{0} is named with two different letter types", Ru: "для {0} указаны два разных вида письма",
		RemedyEn: "Name each recipient once.",
		RemedyRu: "Укажите каждого получателя один раз.",
	},
	{
		Code: BccForbidden, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"count", "letter type"},
		En: "{0} hidden recipients (Bcc), letters of type {1} allow none", Ru: "скрытых получателей {0}, в письмах вида «{1}» они не допускаются",
		RemedyEn: "Move them to To or Cc.",
		RemedyRu: "Перенесите их в поле «Кому» или «Копия».",
	},
}

var ofLimits = []Reason{
	{
		Code: Quota, Stage: StageMail, SMTP: 452, Enhanced: [3]int{4, 2, 2}, Values: []string{"limit"},
		En: "mailbox is full, its limit is {0}", Ru: "ящик полон, его предел {0}",
		RemedyEn: "Delete or export old letters.",
		RemedyRu: "Удалите или выгрузите старые письма.",
	},
	{
		Code: Rate, Stage: StageMail, SMTP: 450, Enhanced: [3]int{4, 7, 0}, Values: []string{"seconds"},
		En: "too many letters, try again in {0} s", Ru: "слишком много писем, повторите через {0} с",
		RemedyEn: "The mail program tries again by itself.",
		RemedyRu: "Почтовая программа повторит сама.",
	},
	{
		Code: ConsentMissing, Stage: StageMail, SMTP: 550, Enhanced: [3]int{5, 7, 1},
		En: "consent to the terms and to the processing of personal data is missing", Ru: "нет согласия с условиями и на обработку персональных данных",
		RemedyEn: "Answer the letter that asks for the consent, or add the header X-Letter-Consent: yes.",
		RemedyRu: "Ответьте на письмо с запросом согласия или добавьте заголовок X-Letter-Consent: yes.",
	},
	{
		Code: TooManyConnections, Stage: StageConnect, SMTP: 421, Enhanced: [3]int{4, 7, 0},
		En: "too many connections, try again later", Ru: "слишком много соединений, повторите позже",
	},
	{
		Code: Closing, Stage: StageAny, SMTP: 421, Enhanced: [3]int{4, 3, 2},
		En: "service is closing, try again later", Ru: "сервис останавливается, повторите позже",
	},
	{
		Code: Timeout, Stage: StageAny, SMTP: 421, Enhanced: [3]int{4, 4, 2},
		En: "too slow, connection closed", Ru: "слишком медленно, соединение закрыто",
	},
	{
		Code: MoreReasons, Stage: StageAny, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"count"},
		En: "{0} more reasons are left out", Ru: "ещё причин: {0}",
	},
}
