package policy

import "gosbridge/policy/fileformat"

// detailTitle is what exactly is wrong with a file, in both languages, with
// what the file itself says of it.
func detailTitle(p fileformat.Problem) title {
	t := title{string(p.Detail), detailsRu[p.Detail]}
	if p.Value != "" {
		t.en += " (" + p.Value + ")"
		t.ru += " (" + p.Value + ")"
	}
	return t
}

var detailsRu = map[fileformat.Detail]string{
	fileformat.DetailEmpty:      "он пуст",
	fileformat.DetailCut:        "он обрезан",
	fileformat.DetailHeader:     "нет верного заголовка",
	fileformat.DetailEnd:        "нет отметки конца",
	fileformat.DetailReference:  "нет таблицы ссылок там, где она должна быть",
	fileformat.DetailTrailer:    "нет верного завершения",
	fileformat.DetailAfterEnd:   "после конца есть другие данные",
	fileformat.DetailSum:        "неверная контрольная сумма",
	fileformat.DetailStructure:  "нарушено строение файла",
	fileformat.DetailPart:       "не хватает части",
	fileformat.DetailUnreadable: "не читается файл внутри архива",
	fileformat.DetailMethod:     "неизвестный способ сжатия",
	fileformat.DetailEntries:    "слишком много файлов внутри",
	fileformat.DetailDepth:      "слишком глубокая вложенность архивов",
	fileformat.DetailRatio:      "слишком сильное сжатие",
	fileformat.DetailExpanded:   "слишком большой объём после распаковки",
	fileformat.DetailOverlap:    "файлы внутри накладываются друг на друга",
	fileformat.DetailSlow:       "проверка занимает слишком много времени",
	fileformat.DetailPath:       "путь ведёт наружу",
	fileformat.DetailControl:    "управляющий знак",
	fileformat.DetailPixels:     "больше допустимого",
}
