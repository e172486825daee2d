package receipt

// states are the labels of letters that have none of their own.
var states = map[string]phrase{
	"draft":           {"черновик", "draft"},
	"checking":        {"в обработке", "in process"},
	"accepted":        {"в обработке", "in process"},
	"processing":      {"в обработке", "in process"},
	"sent":            {"отправлено", "sent"},
	"delivered":       {"доставлено", "delivered"},
	"opened":          {"прочитано", "opened"},
	"acknowledged":    {"Получено", "Received"},
	"refused":         {"Отказано", "Refused"},
	"declined":        {"Отказано", "Refused"},
	"rejected":        {"Не принято", "Not accepted"},
	"expired":         {"Не получено", "Not received"},
	"undeliverable":   {"Не доставлено", "Not delivered"},
	"recalled":        {"Отозвано", "Recalled"},
	"annulled":        {"Аннулировано", "Annulled"},
	"registered":      {"Зарегистрировано", "Registered"},
	"in_work":         {"В работе", "In work"},
	"awaiting_sender": {"Требуется уточнение", "Clarification required"},
	"forwarded":       {"Перенаправлено", "Forwarded"},
	"extended":        {"Срок продлён", "Term extended"},
	"resolved":        {"Решено", "Resolved"},
	"closed":          {"Закрыто", "Closed"},
}

var (
	needsAck = phrase{"Требуется подтверждение", "Confirmation required"}
	taken    = phrase{"Принято", "Accepted"}
	got      = phrase{"Получено", "Received"}
)

// typeStates are where a type's labels differ from those of all.
var typeStates = map[string]map[string]phrase{
	"registered": {"delivered": needsAck},
	"registered-ezp": {
		"sent": {"Отправлено", "Sent"}, "delivered": needsAck, "acknowledged": taken,
	},
	"notice": {"delivered": needsAck, "acknowledged": taken},
	"appeal": {
		"delivered": got, "opened": got,
		"refused": {"Отклонено", "Declined"}, "declined": {"Отклонено", "Declined"},
	},
}

// letterTypes are the names of the letter types.
var letterTypes = map[string]phrase{
	"simple":         {"простое письмо", "simple letter"},
	"notify":         {"письмо с уведомлением", "letter with notification"},
	"registered":     {"заказное письмо", "registered letter"},
	"registered-ezp": {"электронное заказное письмо", "electronic registered letter"},
	"appeal":         {"обращение", "appeal"},
	"post":           {"письмо через почтового оператора", "letter through the postal operator"},
	"reply":          {"ответ", "reply"},
	"notice":         {"официальное извещение", "official notice"},
}

// Label is what people see as the state of a letter of a type, in Russian
// ("ru") or English ("en"). An unknown type has the labels that most have; an
// unknown state is its own label.
func Label(letterType, state, language string) string {
	if p, ok := typeStates[letterType][state]; ok {
		return p.in(language)
	}
	if p, ok := states[state]; ok {
		return p.in(language)
	}
	return state
}

// TypeLabel is the name of a letter type for people; an unknown one is its own.
func TypeLabel(letterType, language string) string {
	if p, ok := letterTypes[letterType]; ok {
		return p.in(language)
	}
	return letterType
}
