package imapd

// command is an entry of the command table.
type command struct {
	in   state
	poll pollKind
	run  func(*session, *call) (answer, error)
}

// commands is what the server understands. What is announced stands in
// capability.go.
var commands map[string]command

// The table names methods that in turn look commands up.
func init() {
	commands = map[string]command{
		"CAPABILITY":   {anyTime, pollHint, (*session).capability},
		"NOOP":         {anyTime, pollNever, (*session).noop}, // looks itself
		"LOGOUT":       {anyTime, pollNever, (*session).logout},
		"ID":           {anyTime, pollHint, (*session).identify},
		"STARTTLS":     {notAuthenticated, pollNever, (*session).startTLS},
		"LOGIN":        {notAuthenticated, pollNever, (*session).login},
		"AUTHENTICATE": {notAuthenticated, pollNever, (*session).authenticate},

		"ENABLE":      {authenticated, pollHint, (*session).enable},
		"NAMESPACE":   {authenticated, pollHint, (*session).namespace},
		"SELECT":      {authenticated, pollNever, (*session).selectBox},
		"EXAMINE":     {authenticated, pollNever, (*session).selectBox},
		"CREATE":      {authenticated, pollHint, (*session).create},
		"DELETE":      {authenticated, pollHint, (*session).deleteBox},
		"RENAME":      {authenticated, pollHint, (*session).rename},
		"SUBSCRIBE":   {authenticated, pollHint, (*session).subscribe},
		"UNSUBSCRIBE": {authenticated, pollHint, (*session).subscribe},
		"LIST":        {authenticated, pollHint, (*session).list},
		"LSUB":        {authenticated, pollHint, (*session).list},
		"STATUS":      {authenticated, pollHint, (*session).status},
		"APPEND":      {authenticated, pollAll, (*session).appendMessage},
		"IDLE":        {authenticated, pollAll, (*session).idle},

		"CHECK":       {selected, pollNever, (*session).noop},
		"CLOSE":       {selected, pollNever, (*session).closeBox},
		"UNSELECT":    {selected, pollNever, (*session).closeBox},
		"EXPUNGE":     {selected, pollAll, (*session).expunge},
		"SEARCH":      {selected, pollKeep, (*session).search},
		"FETCH":       {selected, pollKeep, (*session).fetch},
		"STORE":       {selected, pollKeep, (*session).storeFlags},
		"COPY":        {selected, pollAll, (*session).copyMessages},
		"MOVE":        {selected, pollAll, (*session).copyMessages},
		"UID EXPUNGE": {selected, pollAll, (*session).expunge},
		"UID SEARCH":  {selected, pollHint, (*session).search},
		"UID FETCH":   {selected, pollHint, (*session).fetch},
		"UID STORE":   {selected, pollHint, (*session).storeFlags},
		"UID COPY":    {selected, pollAll, (*session).copyMessages},
		"UID MOVE":    {selected, pollAll, (*session).copyMessages},
	}
}
