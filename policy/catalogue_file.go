package policy

// ofFiles are the reasons that lie in the attachments.
var ofFiles = []Reason{
	{
		Code: FileTooLarge, Stage: StageData, SMTP: 552, Enhanced: [3]int{5, 3, 4}, Values: []string{"file", "size", "limit"}, Content: true,
		En: "{0} has {1}, the limit is {2}", Ru: "файл {0}: {1}, допустимо {2}",
		RemedyEn: "Make the file smaller or split it.",
		RemedyRu: "Уменьшите файл или разделите его.",
	},
	{
		Code: FilesTooLarge, Stage: StageData, SMTP: 552, Enhanced: [3]int{5, 3, 4}, Values: []string{"sum", "limit"}, Content: true,
		En: "all files together have {0}, the limit is {1}", Ru: "все файлы вместе: {0}, допустимо {1}",
		RemedyEn: "Send the files in several letters.",
		RemedyRu: "Отправьте файлы несколькими письмами.",
	},
	{
		Code: FilesMissing, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"count", "minimum"}, Content: true,
		En: "{0} files, at least {1} required", Ru: "файлов {0}, нужно не меньше {1}",
		RemedyEn: "Attach the document.",
		RemedyRu: "Приложите документ.",
	},
	{
		Code: TooManyFiles, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"count", "limit"}, Content: true,
		En: "{0} files, the limit is {1}", Ru: "файлов {0}, допустимо {1}",
		RemedyEn: "Send the files in several letters.",
		RemedyRu: "Отправьте файлы несколькими письмами.",
	},
	{
		Code: FileExecutable, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file"},
		En: "{0} is or contains a program", Ru: "файл {0}: программа или содержит программу",
		RemedyEn: "Send a document instead.",
		RemedyRu: "Отправьте документ.",
	},
	{
		Code: FileFormat, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "format", "allowed"}, Content: true,
		En: "{0} is of format {1}, allowed are {2}", Ru: "файл {0}: формат {1}, допустимы {2}",
		RemedyEn: "Save the document in an allowed format.",
		RemedyRu: "Сохраните документ в допустимом формате.",
	},
	{
		Code: FileMismatch, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "format by content"}, Content: true,
		En: "the content of {0} is not what its name says, but {1}", Ru: "содержимое файла {0} не соответствует имени: это {1}",
		RemedyEn: "Give the file the ending of its real format, or save it anew.",
		RemedyRu: "Дайте файлу расширение настоящего формата или сохраните его заново.",
	},
	{
		Code: FileDeclared, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "declared type", "format"}, Content: true,
		En: "{0} is declared as {1}, but is {2}", Ru: "файл {0} заявлен как {1}, а на деле {2}",
		RemedyEn: "Attach the file anew; its content counts.",
		RemedyRu: "Приложите файл заново; важно его содержимое.",
	},
	{
		Code: FileDamaged, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "what"}, Content: true,
		En: "{0} is damaged: {1}", Ru: "файл {0} повреждён: {1}",
		RemedyEn: "Open the file, save it anew and attach it again.",
		RemedyRu: "Откройте файл, сохраните заново и приложите ещё раз.",
	},
	{
		Code: FileEncrypted, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file"}, Content: true,
		En: "{0} is encrypted", Ru: "файл {0} зашифрован",
		RemedyEn: "Remove the password of the file.",
		RemedyRu: "Снимите с файла пароль.",
	},
	{
		Code: FileMacros, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file"}, Content: true,
		En: "{0} contains macros", Ru: "файл {0} содержит макросы",
		RemedyEn: "Save the document without macros.",
		RemedyRu: "Сохраните документ без макросов.",
	},
	{
		Code: FileBomb, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "what"}, Content: true,
		En: "{0} is beyond the limits of archives: {1}", Ru: "файл {0} выходит за пределы для архивов: {1}",
		RemedyEn: "Send the files unpacked, or in several archives.",
		RemedyRu: "Отправьте файлы без архива или в нескольких архивах.",
	},
	{
		Code: FileEntry, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "what"}, Content: true,
		En: "{0} contains an unsafe name: {1}", Ru: "файл {0} содержит опасное имя: {1}",
		RemedyEn: "Pack the archive anew with plain file names.",
		RemedyRu: "Соберите архив заново с обычными именами файлов.",
	},
	{
		Code: FilePixels, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "what"}, Content: true,
		En: "{0} has too many pixels: {1}", Ru: "в изображении {0} слишком много точек: {1}",
		RemedyEn: "Scan or save the image smaller.",
		RemedyRu: "Уменьшите изображение.",
	},
	{
		Code: FileNameMissing, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"position"}, Content: true,
		En: "file number {0} has no name", Ru: "у файла номер {0} нет имени",
		RemedyEn: "Give the file a name.",
		RemedyRu: "Дайте файлу имя.",
	},
	{
		Code: FileNamePath, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file"}, Content: true,
		En: "the name {0} is a path", Ru: "имя {0} содержит путь",
		RemedyEn: "Rename the file without a path.",
		RemedyRu: "Переименуйте файл без указания пути.",
	},
	{
		Code: FileName, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "what"}, Content: true,
		En: "the name {0} has a forbidden character: {1}", Ru: "в имени {0} недопустимый знак: {1}",
		RemedyEn: "Rename the file with letters, digits, blanks, hyphens and dots.",
		RemedyRu: "Переименуйте файл: буквы, цифры, пробелы, дефисы и точки.",
	},
	{
		Code: FileNameDirection, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file"}, Content: true,
		En: "the name {0} turns its reading direction", Ru: "имя {0} меняет направление чтения",
		RemedyEn: "Rename the file.",
		RemedyRu: "Переименуйте файл.",
	},
	{
		Code: FileNameDouble, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file"}, Content: true,
		En: "the name {0} hides the ending of a program", Ru: "имя {0} скрывает расширение программы",
		RemedyEn: "Rename the file with one ending, that of its format.",
		RemedyRu: "Оставьте в имени одно расширение: его формата.",
	},
	{
		Code: FileNameTooLong, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "length", "limit"}, Content: true,
		En: "the name {0} has {1} characters, the limit is {2}", Ru: "в имени {0} знаков {1}, допустимо {2}",
		RemedyEn: "Give the file a shorter name.",
		RemedyRu: "Сократите имя файла.",
	},
	{
		Code: FileMetadata, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "what"}, Content: true,
		En: "{0} lacks {1}", Ru: "у файла {0} не указано: {1}",
		RemedyEn: "Add what is missing and send the letter again.",
		RemedyRu: "Добавьте недостающее и отправьте письмо снова.",
	},
	{
		Code: FileResolution, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1}, Values: []string{"file", "resolution", "wanted"}, Content: true,
		En: "{0} has {1} dpi, {2} or more are recommended", Ru: "в файле {0} {1} точек на дюйм, рекомендуется не меньше {2}",
		RemedyEn: "Scan with 300 dpi.",
		RemedyRu: "Сканируйте с разрешением 300 точек на дюйм.",
	},
	{
		Code: ContentEnclosed, Stage: StageData, SMTP: 550, Enhanced: [3]int{5, 6, 1},
		En: "text and files are enclosed in the signature or encrypted, so they cannot be checked", Ru: "текст и файлы заключены внутрь подписи или зашифрованы, проверить их нельзя",
		RemedyEn: "Sign so that the letter stays readable (clear text signature), and do not encrypt it.",
		RemedyRu: "Подпишите письмо открытым текстом (отделённой подписью) и не шифруйте его.",
	},
}
