package receipt

// Label is what people see as the state of a letter of a type: in Russian
// ("ru") or English ("en"). An unknown state is its own label.
func Label(letterType, state, language string) string { return label(letterType, state, language) }
