package receipt

// The languages of receipts. Both stand in every receipt; the account's
// choice decides which comes first.
const (
	Russian = "ru"
	English = "en"
)

// phrase is one text in both languages.
type phrase struct{ ru, en string }

// in returns the text in a language; anything but English is Russian.
func (p phrase) in(language string) string {
	if language == English {
		return p.en
	}
	return p.ru
}

// entry is what the catalogue says of an event.
type entry struct {
	subject phrase // before the letter's number and subject
	title   phrase // heading of the text
	lead    phrase // what happened
	next    phrase // what happens next, or what to do
	// due replaces next where the evidence has an expected date; %s is that
	// date.
	due phrase
}

// catalogue holds every text that an event has for people.
var catalogue = map[Event]entry{
	SubmissionAcceptance: {
		subject: phrase{"Принято к отправке", "Accepted for dispatch"},
		title:   phrase{"КВИТАНЦИЯ О ПРИНЯТИИ ПИСЬМА К ОТПРАВКЕ", "RECEIPT: LETTER ACCEPTED FOR DISPATCH"},
		lead:    phrase{"Письмо принято оператором к отправке. Ему присвоен номер, указанный ниже.", "The operator has accepted the letter for dispatch and given it the number below."},
		next:    phrase{"О доставке письма получателю будет сообщено отдельным уведомлением.", "A separate notice will tell you when the letter has been delivered."},
		due:     phrase{"О доставке письма получателю будет сообщено отдельным уведомлением. Ожидаемый срок: до %s.", "A separate notice will tell you when the letter has been delivered. Expected by %s."},
	},
	SubmissionRejection: {
		subject: phrase{"Не принято к отправке", "Not accepted"},
		title:   phrase{"ИЗВЕЩЕНИЕ ОБ ОТКАЗЕ В ПРИНЯТИИ ПИСЬМА", "NOTICE: LETTER NOT ACCEPTED"},
		lead:    phrase{"Письмо не принято к отправке по причинам, указанным ниже. Получателям оно не передано.", "The letter was not accepted, for the reasons below. No recipient has received it."},
		next:    phrase{"Устраните указанные причины и отправьте письмо снова.", "Correct what is named below and send the letter again."},
	},
	MalwareRejection: {
		subject: phrase{"Не принято: вредоносное содержимое", "Not accepted: malware found"},
		title:   phrase{"ИЗВЕЩЕНИЕ ОБ ОТКАЗЕ В ПРИНЯТИИ ПИСЬМА", "NOTICE: LETTER NOT ACCEPTED"},
		lead:    phrase{"Письмо не принято к отправке: при проверке в нём обнаружено вредоносное содержимое. Получателям оно не передано.", "The letter was not accepted: the scanner found malicious content in it. No recipient has received it."},
		next:    phrase{"Проверьте рабочее место и файлы антивирусной программой, после чего отправьте письмо снова.", "Check your computer and the files for malware, then send the letter again."},
	},
	RelayAcceptance: {
		subject: phrase{"Передано следующему узлу", "Relayed"},
		title:   phrase{"УВЕДОМЛЕНИЕ О ПЕРЕДАЧЕ ПИСЬМА", "NOTICE: LETTER RELAYED"},
		lead:    phrase{"Письмо передано следующему узлу на пути к получателю и принято им.", "The next hop on the way to the recipient has taken the letter."},
		next:    phrase{"О доставке письма получателю будет сообщено отдельным уведомлением.", "A separate notice will tell you when the letter has been delivered."},
	},
	RelayRejection: {
		subject: phrase{"Отклонено следующим узлом", "Refused by the next hop"},
		title:   phrase{"ИЗВЕЩЕНИЕ ОБ ОТКАЗЕ В ПЕРЕДАЧЕ ПИСЬМА", "NOTICE: LETTER REFUSED BY THE NEXT HOP"},
		lead:    phrase{"Следующий узел на пути к получателю отказался принять письмо. Получателю оно не доставлено.", "The next hop on the way to the recipient refused the letter. It has not been delivered."},
		next:    phrase{"Устраните указанную причину и отправьте письмо снова.", "Correct what is named below and send the letter again."},
	},
	RelayFailure: {
		subject: phrase{"Не передано", "Not relayed"},
		title:   phrase{"ИЗВЕЩЕНИЕ О НЕВОЗМОЖНОСТИ ПЕРЕДАЧИ ПИСЬМА", "NOTICE: LETTER COULD NOT BE RELAYED"},
		lead:    phrase{"Письмо не удалось передать следующему узлу. Получателю оно не доставлено, попытки прекращены.", "The letter could not be passed to the next hop. It has not been delivered, and no more attempts will be made."},
		next:    phrase{"Отправьте письмо снова или направьте его другим способом.", "Send the letter again, or send it another way."},
	},
	DelayWarning: {
		subject: phrase{"Доставка задерживается", "Delivery is delayed"},
		title:   phrase{"ПРЕДУПРЕЖДЕНИЕ О ЗАДЕРЖКЕ ДОСТАВКИ", "WARNING: DELIVERY IS DELAYED"},
		lead:    phrase{"Письмо пока не доставлено получателю. Попытки доставки продолжаются.", "The letter has not been delivered yet. Delivery is still being attempted."},
		next:    phrase{"Отправлять письмо повторно не нужно. Если доставить его не удастся, вы получите извещение о недоставке.", "There is no need to send it again. If it cannot be delivered you will be told."},
		due:     phrase{"Отправлять письмо повторно не нужно. Если его не удастся доставить до %s, вы получите извещение о недоставке.", "There is no need to send it again. If it cannot be delivered by %s you will be told."},
	},
	ContentConsignment: {
		subject: phrase{"Доставлено", "Delivered"},
		title:   phrase{"УВЕДОМЛЕНИЕ О ДОСТАВКЕ ПИСЬМА", "NOTICE OF DELIVERY"},
		lead:    phrase{"Письмо помещено в почтовый ящик получателя и доступно ему.", "The letter has been placed in the recipient's mailbox and can be read there."},
		next:    phrase{"Дальнейших действий не требуется.", "Nothing more needs to be done."},
		due:     phrase{"Ожидается подтверждение получения. Срок подтверждения: до %s.", "The recipient is asked to confirm receipt by %s."},
	},
	ContentConsignmentFailure: {
		subject: phrase{"Не доставлено", "Not delivered"},
		title:   phrase{"ИЗВЕЩЕНИЕ О НЕДОСТАВКЕ ПИСЬМА", "NOTICE OF NON-DELIVERY"},
		lead:    phrase{"Письмо не доставлено получателю. Попытки доставки прекращены.", "The letter has not been delivered, and no more attempts will be made."},
		next:    phrase{"Проверьте адрес получателя и отправьте письмо снова или направьте его другим способом.", "Check the recipient's address and send the letter again, or send it another way."},
	},
	ContentHandover: {
		subject: phrase{"Прочитано", "Opened"},
		title:   phrase{"УВЕДОМЛЕНИЕ О ПРОЧТЕНИИ ПИСЬМА", "NOTICE: LETTER OPENED"},
		lead:    phrase{"Письмо открыто в почтовом ящике получателя.", "The letter was opened in the recipient's mailbox."},
		next:    phrase{"Уведомление свидетельствует об открытии письма и само по себе не является актом получения.", "This tells that the letter was opened; it is not an act of receipt."},
		due:     phrase{"Уведомление свидетельствует об открытии письма и само по себе не является актом получения. Срок подтверждения получения: до %s.", "This tells that the letter was opened; it is not an act of receipt. The recipient is asked to confirm receipt by %s."},
	},
	ConsignmentAcceptance: {
		subject: phrase{"Акт получения", "Act of receipt"},
		title:   phrase{"АКТ ПОЛУЧЕНИЯ ПИСЬМА", "ACT OF RECEIPT"},
		lead:    phrase{"Получатель подтвердил получение письма.", "The recipient has acknowledged receipt of the letter."},
		next:    phrase{"Сохраните настоящий акт. Дальнейших действий не требуется.", "Keep this act. Nothing more needs to be done."},
	},
	ConsignmentRejection: {
		subject: phrase{"Получатель отказался", "Refused by the recipient"},
		title:   phrase{"ИЗВЕЩЕНИЕ ОБ ОТКАЗЕ ОТ ПОЛУЧЕНИЯ ПИСЬМА", "NOTICE: RECIPIENT REFUSED THE LETTER"},
		lead:    phrase{"Получатель отказался от получения письма.", "The recipient has refused the letter."},
		next:    phrase{"Сохраните настоящее извещение: оно удостоверяет отказ.", "Keep this notice: it records the refusal."},
	},
	AcceptanceRejectionExpiry: {
		subject: phrase{"Срок подтверждения истёк", "Term is over"},
		title:   phrase{"ИЗВЕЩЕНИЕ ОБ ИСТЕЧЕНИИ СРОКА ПОДТВЕРЖДЕНИЯ", "NOTICE: TERM OF ACKNOWLEDGEMENT IS OVER"},
		lead:    phrase{"В установленный срок получатель не подтвердил получение письма и не отказался от него.", "Within the term the recipient neither acknowledged nor refused the letter."},
		next:    phrase{"Если получатель подтвердит получение позднее, об этом будет сообщено отдельно.", "If the recipient acknowledges it later you will be told."},
	},
	LateAcknowledgement: {
		subject: phrase{"Получение подтверждено после срока", "Acknowledged after the term"},
		title:   phrase{"УВЕДОМЛЕНИЕ О ПОДТВЕРЖДЕНИИ ПОСЛЕ СРОКА", "NOTICE: ACKNOWLEDGED AFTER THE TERM"},
		lead:    phrase{"Получатель подтвердил получение письма по истечении установленного срока.", "The recipient acknowledged the letter after its term was over."},
		next:    phrase{"Состояние письма не изменяется, подтверждение занесено в журнал.", "The state of the letter does not change; the acknowledgement is on record."},
	},
	Reminder: {
		subject: phrase{"Напоминание", "Reminder"},
		title:   phrase{"УВЕДОМЛЕНИЕ О НАПОМИНАНИИ ПОЛУЧАТЕЛЮ", "NOTICE: RECIPIENT REMINDED"},
		lead:    phrase{"Получателю направлено напоминание о письме, ожидающем подтверждения.", "The recipient has been reminded of a letter that waits for acknowledgement."},
		next:    phrase{"Ожидается подтверждение получения.", "The recipient is asked to confirm receipt."},
		due:     phrase{"Ожидается подтверждение получения. Срок подтверждения: до %s.", "The recipient is asked to confirm receipt by %s."},
	},
	Recall: {
		subject: phrase{"Отозвано", "Recalled"},
		title:   phrase{"УВЕДОМЛЕНИЕ ОБ ОТЗЫВЕ ПИСЬМА", "NOTICE: LETTER RECALLED"},
		lead:    phrase{"Письмо отозвано отправителем.", "The sender has recalled the letter."},
		next:    phrase{"Письмо не будет доставлено получателю, а доставленное и не открытое изъято из его почтового ящика.", "It will not be delivered; if it was delivered but not opened, it has been taken out of the mailbox."},
	},
	Annulment: {
		subject: phrase{"Аннулировано", "Annulled"},
		title:   phrase{"УВЕДОМЛЕНИЕ ОБ АННУЛИРОВАНИИ ПИСЬМА", "NOTICE: LETTER ANNULLED"},
		lead:    phrase{"Письмо аннулировано отправителем до его открытия получателем.", "The sender has annulled the letter before the recipient opened it."},
		next:    phrase{"Дальнейших действий не требуется.", "Nothing more needs to be done."},
	},
	Supplement: {
		subject: phrase{"Дополнение", "Supplement"},
		title:   phrase{"УВЕДОМЛЕНИЕ О ДОПОЛНЕНИИ К ПИСЬМУ", "NOTICE OF A SUPPLEMENT"},
		lead:    phrase{"К делу добавлено дополнительное письмо. Ранее отправленное письмо не изменено.", "A further letter was added to the case. What was sent before has not changed."},
		next:    phrase{"О доставке дополнения будет сообщено отдельным уведомлением.", "A separate notice will tell you when the supplement has been delivered."},
	},
	AppealRegistered: {
		subject: phrase{"Обращение зарегистрировано", "Appeal registered"},
		title:   phrase{"УВЕДОМЛЕНИЕ О РЕГИСТРАЦИИ ОБРАЩЕНИЯ", "NOTICE: APPEAL REGISTERED"},
		lead:    phrase{"Обращение зарегистрировано государственным органом.", "The state body has registered the appeal."},
		next:    phrase{"Обращение будет рассмотрено в установленный срок.", "The appeal will be considered within the term."},
		due:     phrase{"Срок рассмотрения обращения: до %s.", "The appeal is to be answered by %s."},
	},
	AppealClarification: {
		subject: phrase{"Требуется уточнение", "Clarification asked for"},
		title:   phrase{"ЗАПРОС УТОЧНЕНИЯ ПО ОБРАЩЕНИЮ", "CLARIFICATION ASKED FOR"},
		lead:    phrase{"Государственный орган просит уточнить обращение.", "The state body asks you to clarify the appeal."},
		next:    phrase{"Направьте уточнение ответным письмом.", "Reply to this letter with what is asked for."},
		due:     phrase{"Направьте уточнение ответным письмом до %s.", "Reply with what is asked for by %s."},
	},
	AppealForwarded: {
		subject: phrase{"Обращение перенаправлено", "Appeal forwarded"},
		title:   phrase{"УВЕДОМЛЕНИЕ О ПЕРЕНАПРАВЛЕНИИ ОБРАЩЕНИЯ", "NOTICE: APPEAL FORWARDED"},
		lead:    phrase{"Обращение перенаправлено в орган, к ведению которого относится вопрос.", "The appeal was forwarded to the body that is responsible for the question."},
		next:    phrase{"Ответ будет дан органом, которому перенаправлено обращение.", "That body will answer."},
		due:     phrase{"Ответ будет дан органом, которому перенаправлено обращение, до %s.", "That body will answer by %s."},
	},
	AppealExtended: {
		subject: phrase{"Срок рассмотрения продлён", "Term extended"},
		title:   phrase{"УВЕДОМЛЕНИЕ О ПРОДЛЕНИИ СРОКА РАССМОТРЕНИЯ", "NOTICE: TERM EXTENDED"},
		lead:    phrase{"Срок рассмотрения обращения продлён.", "The term for answering the appeal has been extended."},
		next:    phrase{"О результате рассмотрения будет сообщено отдельно.", "You will be told of the outcome."},
		due:     phrase{"Новый срок рассмотрения: до %s.", "The appeal is now to be answered by %s."},
	},
	AppealResolved: {
		subject: phrase{"Обращение рассмотрено", "Appeal resolved"},
		title:   phrase{"УВЕДОМЛЕНИЕ О РЕЗУЛЬТАТЕ РАССМОТРЕНИЯ ОБРАЩЕНИЯ", "NOTICE: APPEAL RESOLVED"},
		lead:    phrase{"Обращение рассмотрено, по нему принято решение.", "The appeal has been considered and decided."},
		next:    phrase{"Ответ государственного органа направлен отдельным письмом.", "The state body's answer comes in a separate letter."},
	},
	AppealDeclined: {
		subject: phrase{"Обращение отклонено", "Appeal declined"},
		title:   phrase{"УВЕДОМЛЕНИЕ ОБ ОТКЛОНЕНИИ ОБРАЩЕНИЯ", "NOTICE: APPEAL DECLINED"},
		lead:    phrase{"Обращение отклонено по причинам, указанным ниже.", "The appeal was declined for the reasons below."},
		next:    phrase{"Следуйте указаниям в тексте причины и при необходимости направьте обращение снова.", "Follow the advice given with the reason and send a new appeal if need be."},
	},
	AppealClosed: {
		subject: phrase{"Обращение закрыто", "Appeal closed"},
		title:   phrase{"УВЕДОМЛЕНИЕ О ЗАКРЫТИИ ОБРАЩЕНИЯ", "NOTICE: APPEAL CLOSED"},
		lead:    phrase{"Работа по обращению завершена.", "Work on the appeal has ended."},
		next:    phrase{"Дальнейших действий не требуется.", "Nothing more needs to be done."},
	},
	SignatureReport: {
		subject: phrase{"Отчёт о проверке подписи", "Signature report"},
		title:   phrase{"ОТЧЁТ О ПРОВЕРКЕ ЭЛЕКТРОННОЙ ПОДПИСИ", "SIGNATURE REPORT"},
		lead:    phrase{"По запросу проверена электронная подпись письма. Результат указан ниже.", "The signature of the letter was checked as asked. The result is below."},
		next:    phrase{"Результат относится ко времени проверки.", "The result holds for the time of the check."},
	},
}

// Words of the table of facts below the lead.
var (
	wordNumber    = phrase{"Номер письма", "Number"}
	wordState     = phrase{"Состояние", "State"}
	wordType      = phrase{"Вид письма", "Type"}
	wordSubject   = phrase{"Тема", "Subject"}
	wordCase      = phrase{"Дело", "Case"}
	wordSender    = phrase{"Отправитель", "Sender"}
	wordRecipient = phrase{"Получатель", "Recipient"}
	wordTime      = phrase{"Время события", "Event time"}
	wordExpected  = phrase{"Срок", "Due"}
	wordSignature = phrase{"Подпись отправителя", "Sender's signature"}
	wordFile      = phrase{"Файл", "File"}
	wordSubmitted = phrase{"Принятое письмо", "Letter as received"}
	wordSent      = phrase{"Отправленное письмо", "Letter as sent"}
	wordNextHop   = phrase{"Номер у следующего узла", "Next hop's number"}
	wordReason    = phrase{"Причина", "Reason"}
	wordEvidence  = phrase{"Свидетельство", "Evidence"}
	wordOperator  = phrase{"Оператор", "Operator"}
	wordOctets    = phrase{"байт", "octets"}
	wordINN       = phrase{"ИНН", "INN"}
	wordOGRN      = phrase{"ОГРН", "OGRN"}
	wordSigned    = phrase{"подписано", "signed"}
	wordInferred  = phrase{"событие установлено по последующему событию", "not seen itself; it follows from a later event"}
	wordMoscow    = phrase{"МСК", "Moscow time"}
	wordDay       = phrase{"24:00", "24:00 on"}
	wordYear      = phrase{" г.", ""}
	wordRecall    = phrase{"До %s письмо можно отозвать.", "The letter can be recalled until %s."}
	wordFoot      = phrase{
		"Сообщение составлено автоматически и подписано электронной подписью оператора, которая не является квалифицированной. Порядок проверки описан в документации оператора. Отвечать на сообщение не нужно.",
		"This notice was made automatically and bears the operator's electronic signature, which is not a qualified one. The operator's documentation tells how to verify it. Please do not reply.",
	}
)

// signatureResults say what became of the sender's signature.
var signatureResults = map[string]phrase{
	"none":                  {"отсутствует", "none"},
	"valid":                 {"действительна", "valid"},
	"digest-mismatch":       {"недействительна: письмо изменено после подписания", "invalid: changed after signing"},
	"bad-signature":         {"недействительна", "invalid"},
	"untrusted":             {"издатель сертификата не входит в число доверенных", "certificate's issuer is not trusted"},
	"expired":               {"срок действия сертификата истёк или не наступил", "certificate is out of its term"},
	"wrong-purpose":         {"сертификат не предназначен для подписи писем", "certificate is not for signing letters"},
	"unknown-algorithm":     {"не проверена: алгоритм неизвестен", "not checked: unknown algorithm"},
	"weak-algorithm":        {"недействительна: слабый алгоритм", "invalid: weak algorithm"},
	"bad-attributes":        {"недействительна: ошибка в подписанных реквизитах", "invalid: bad signed attributes"},
	"no-signer-certificate": {"не проверена: нет сертификата подписавшего", "not checked: signer's certificate is missing"},
}

// months are the Russian months in the genitive, as dates have them.
var months = [...]string{
	"января", "февраля", "марта", "апреля", "мая", "июня",
	"июля", "августа", "сентября", "октября", "ноября", "декабря",
}

// notice is what a plain delivery status notification says of an action.
type notice struct {
	rank    int // the highest of a notice gives it its subject
	subject phrase
	lead    phrase
}

var notices = map[Action]notice{
	Failed: {4, phrase{"Не доставлено", "Undeliverable"},
		phrase{"Письмо не доставлено, попытки прекращены:", "The message was not delivered, and no more attempts will be made:"}},
	Delayed: {3, phrase{"Доставка задерживается", "Delayed"},
		phrase{"Письмо пока не доставлено, попытки продолжаются:", "The message was not delivered yet; delivery is still being attempted:"}},
	Relayed: {2, phrase{"Передано", "Relayed"},
		phrase{"Письмо передано системе, которая может не сообщить о доставке:", "The message was passed to a system that may not tell of delivery:"}},
	Delivered: {1, phrase{"Доставлено", "Delivered"},
		phrase{"Письмо доставлено:", "The message was delivered:"}},
}
