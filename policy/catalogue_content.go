package policy

// ofText are the reasons of subject, text and type.
var ofText = []Reason{
	{
		Code: SubjectMissing, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Content: true,
		En: "the subject is missing", Ru: "нет темы",
		RemedyEn: "Write what the letter is about in the subject.",
		RemedyRu: "Напишите в теме, о чём письмо.",
	},
	{
		Code: SubjectRepeated, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"count"},
		En: "the message has {0} subjects", Ru: "в сообщении тем: {0}",
		RemedyEn: "Send the letter from another mail program.",
		RemedyRu: "Отправьте письмо из другой почтовой программы.",
	},
	{
		Code: SubjectTooShort, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"length", "minimum"}, Content: true,
		En: "the subject has {0} characters, at least {1} required", Ru: "в теме знаков {0}, нужно не меньше {1}",
		RemedyEn: "Write a longer subject.",
		RemedyRu: "Напишите тему длиннее.",
	},
	{
		Code: SubjectTooLong, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"length", "limit"}, Content: true,
		En: "the subject has {0} characters, the limit is {1}", Ru: "в теме знаков {0}, допустимо {1}",
		RemedyEn: "Shorten the subject.",
		RemedyRu: "Сократите тему.",
	},
	{
		Code: TextMissing, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Content: true,
		En: "the letter has no text", Ru: "в письме нет текста",
		RemedyEn: "Write at least one line, even when a document is attached.",
		RemedyRu: "Напишите хотя бы строку, даже если приложен документ.",
	},
	{
		Code: TextTooShort, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"length", "minimum"}, Content: true,
		En: "the text has {0} characters, at least {1} required", Ru: "в тексте знаков {0}, нужно не меньше {1}",
		RemedyEn: "Write more.",
		RemedyRu: "Напишите подробнее.",
	},
	{
		Code: TextTooLong, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"length", "limit"}, Content: true,
		En: "the text has {0} characters, the limit is {1}", Ru: "в тексте знаков {0}, допустимо {1}",
		RemedyEn: "Shorten the text, or attach it as a document.",
		RemedyRu: "Сократите текст или приложите его документом.",
	},
	{
		Code: HTMLForbidden, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"letter type"}, Content: true,
		En: "letters of type {0} are plain text only", Ru: "письма вида «{0}» допускают только простой текст",
		RemedyEn: "Choose plain text in the mail program.",
		RemedyRu: "Выберите в почтовой программе простой текст.",
	},
	{
		Code: TypeUnknown, Stage: StageMail, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"letter type"},
		En: "{0} is not a letter type", Ru: "вида письма «{0}» нет",
		RemedyEn: "Check the header X-Letter-Type or the suffix of the address.",
		RemedyRu: "Проверьте заголовок X-Letter-Type или суффикс адреса.",
	},
	{
		Code: TypeConflict, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"one", "other"},
		En: "two letter types at once: {0} and {1}", Ru: "указаны сразу два вида письма: «{0}» и «{1}»",
		RemedyEn: "Name one type, the same for all recipients; for another type send another letter.",
		RemedyRu: "Укажите один вид, общий для всех получателей; для другого вида отправьте отдельное письмо.",
	},
	{
		Code: TermInvalid, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"term", "longest"},
		En: "the term {0} is not possible, the longest is {1}", Ru: "срок {0} невозможен, наибольший: {1}",
		RemedyEn: "Correct the header X-Letter-Term.",
		RemedyRu: "Исправьте заголовок X-Letter-Term.",
	},
	{
		Code: OptionInvalid, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"header", "value"},
		En: "the header {0} has an unknown value: {1}", Ru: "неизвестное значение заголовка {0}: {1}",
		RemedyEn: "Correct or remove the header.",
		RemedyRu: "Исправьте или уберите заголовок.",
	},
	{
		Code: KindUnknown, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"kind", "allowed"},
		En: "{0} is not a kind of appeal, allowed are {1}", Ru: "вида обращения «{0}» нет, допустимы {1}",
		RemedyEn: "Correct the header X-Letter-Kind.",
		RemedyRu: "Исправьте заголовок X-Letter-Kind.",
	},
	{
		Code: KindMissing, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"allowed"},
		En: "the kind of the appeal is missing, one of {0}", Ru: "не указан вид обращения, один из {0}",
		RemedyEn: "Send it as NAME+KIND@..., or name the kind in the header X-Letter-Kind.",
		RemedyRu: "Отправьте его с адреса ИМЯ+ВИД@... или укажите вид в заголовке X-Letter-Kind.",
	},
	{
		Code: KindUnwanted, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"letter type"},
		En: "letters of type {0} have no kinds", Ru: "у писем вида «{0}» нет разновидностей",
		RemedyEn: "Remove the header X-Letter-Kind, or send an appeal.",
		RemedyRu: "Уберите заголовок X-Letter-Kind или отправьте обращение.",
	},
	{
		Code: FieldMissing, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"field"}, Content: true,
		En: "the required field is missing: {0}", Ru: "не заполнено обязательное поле: {0}",
		RemedyEn: "Ask the administrator to complete the data of the account, or name phone and SNILS in the headers X-Letter-Phone and X-Letter-SNILS.",
		RemedyRu: "Попросите администратора дополнить данные учётной записи или укажите телефон и СНИЛС в заголовках X-Letter-Phone и X-Letter-SNILS.",
	},
}

// ofForm are the reasons of the mail's form: such mail is refused, never mended.
var ofForm = []Reason{
	{
		Code: BareLineEnding, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the message has a CR or LF that stands alone", Ru: "в сообщении отдельно стоящий CR или LF",
		RemedyEn: "The program must end every line with CRLF (RFC 5321 2.3.8).",
		RemedyRu: "Программа должна завершать каждую строку парой CRLF (RFC 5321, 2.3.8).",
	},
	{
		Code: NulOctet, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the message has a NUL octet", Ru: "в сообщении есть нулевой байт",
		RemedyEn: "Binary content must be sent in base64.",
		RemedyRu: "Двоичные данные передавайте в base64.",
	},
	{
		Code: ForgedHeader, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"header"},
		En: "the header {0} may only be set by the gateway", Ru: "заголовок {0} ставит только шлюз",
		RemedyEn: "Remove the header; do not send a received letter as it is.",
		RemedyRu: "Уберите заголовок; не отправляйте полученное письмо как есть.",
	},
	{
		Code: FromMissing, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the message has no usable From", Ru: "в сообщении нет пригодного поля «От»",
		RemedyEn: "Set the sender in the mail program.",
		RemedyRu: "Укажите отправителя в почтовой программе.",
	},
	{
		Code: FromRepeated, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the message has more than one author", Ru: "в сообщении больше одного автора",
		RemedyEn: "Name one address in From.",
		RemedyRu: "Укажите в поле «От» один адрес.",
	},
	{
		Code: Truncated, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the message is cut off", Ru: "сообщение обрезано",
		RemedyEn: "Send the letter again.",
		RemedyRu: "Отправьте письмо ещё раз.",
	},
	{
		Code: TooDeep, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the parts of the message are nested too deep", Ru: "слишком глубокая вложенность частей сообщения",
		RemedyEn: "Attach documents, not forwarded letters in letters.",
		RemedyRu: "Прикладывайте документы, а не пересланные письма в письмах.",
	},
	{
		Code: TooManyParts, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the message has too many parts", Ru: "в сообщении слишком много частей",
		RemedyEn: "Send several letters.",
		RemedyRu: "Отправьте несколько писем.",
	},
	{
		Code: HeaderTooLong, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the header of the message is too long", Ru: "заголовок сообщения слишком длинный",
		RemedyEn: "Remove superfluous header fields.",
		RemedyRu: "Уберите лишние поля заголовка.",
	},
	{
		Code: LineTooLong, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0},
		En: "the message has a line of more than 998 octets", Ru: "в сообщении есть строка длиннее 998 байт",
		RemedyEn: "Let the mail program encode the text (RFC 5322 2.1.1).",
		RemedyRu: "Включите в программе кодирование текста (RFC 5322, 2.1.1).",
	},
	{
		Code: Malformed, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 0}, Values: []string{"what"},
		En: "the message is malformed: {0}", Ru: "сообщение построено неверно: {0}",
		RemedyEn: "Send the letter from another mail program.",
		RemedyRu: "Отправьте письмо из другой почтовой программы.",
	},
}

// ofSignature are the reasons of signatures and scanners.
var ofSignature = []Reason{
	{
		Code: SignatureMissing, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"letter type"},
		En: "letters of type {0} need the signature of the sender", Ru: "для писем вида «{0}» нужна подпись отправителя",
		RemedyEn: "Sign the letter in the mail program (S/MIME).",
		RemedyRu: "Подпишите письмо в почтовой программе (S/MIME).",
	},
	{
		Code: SignatureUnwanted, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1}, Values: []string{"letter type"},
		En: "letters of type {0} cannot carry a signature", Ru: "письма вида «{0}» не подписываются",
		RemedyEn: "Send without a signature, or choose another type.",
		RemedyRu: "Отправьте без подписи или выберите другой вид письма.",
	},
	{
		Code: SignatureOfOther, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 1},
		En: "the signature is valid, but not of the sender", Ru: "подпись верна, но принадлежит не отправителю",
		RemedyEn: "Sign with a certificate that names your address, INN or OGRN.",
		RemedyRu: "Подпишите сертификатом со своим адресом, ИНН или ОГРН.",
	},
	{
		Code: SignatureNoAlgo, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 6},
		En: "the signature uses a method that cannot be verified here", Ru: "способ подписи не поддерживается, проверить её нельзя",
		RemedyEn: "Sign with RSA or ECDSA.",
		RemedyRu: "Подпишите ключом RSA или ECDSA.",
	},
	{
		Code: SignatureBroken, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 7, 7},
		En: "the signature is not valid", Ru: "подпись недействительна",
		RemedyEn: "Check the certificate and sign the letter again.",
		RemedyRu: "Проверьте сертификат и подпишите письмо заново.",
	},
	{
		Code: Malware, Stage: StageData, SMTP: 554, Enhanced: [3]int{5, 7, 1}, Values: []string{"name"},
		En: "malware found: {0}", Ru: "найдена вредоносная программа: {0}",
		RemedyEn: "Check your computer and the files.",
		RemedyRu: "Проверьте компьютер и файлы.",
	},
	{
		Code: Spam, Stage: StageData, SMTP: 554, Enhanced: [3]int{5, 7, 1},
		En: "the letter looks like unwanted mail", Ru: "письмо похоже на нежелательное",
		RemedyEn: "Ask the administrator if this is wrong.",
		RemedyRu: "Если это ошибка, обратитесь к администратору.",
	},
}

// ofOurs are faults on our side.
var ofOurs = []Reason{
	{
		Code: ScannerUnavailable, Stage: StageAny, SMTP: 451, Enhanced: [3]int{4, 3, 0},
		En: "the content cannot be checked now, try again later", Ru: "содержимое сейчас нельзя проверить, повторите позже",
	},
	{
		Code: SignerUnavailable, Stage: StageAny, SMTP: 451, Enhanced: [3]int{4, 3, 0},
		En: "the letter cannot be signed now, try again later", Ru: "письмо сейчас нельзя подписать, повторите позже",
	},
	{
		Code: TimestampUnavailable, Stage: StageAny, SMTP: 451, Enhanced: [3]int{4, 3, 0},
		En: "no time stamp is to be had now, try again later", Ru: "метку времени сейчас нельзя получить, повторите позже",
	},
	{
		Code: StoreUnavailable, Stage: StageAny, SMTP: 451, Enhanced: [3]int{4, 3, 0},
		En: "the letter cannot be stored now, try again later", Ru: "письмо сейчас нельзя сохранить, повторите позже",
	},
	{
		Code: Internal, Stage: StageAny, SMTP: 451, Enhanced: [3]int{4, 3, 0},
		En: "an error on our side, try again later", Ru: "ошибка на нашей стороне, повторите позже",
	},
	{
		Code: StoreFull, Stage: StageAny, SMTP: 452, Enhanced: [3]int{4, 3, 1},
		En: "no space is left, try again later", Ru: "нет места, повторите позже",
	},
}
