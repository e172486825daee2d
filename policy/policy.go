// Package policy is what a letter is and which letters may go: pure values in,
// a Decision out. It owns the profiles of letter types, the rules that they
// parametrise, and the one catalogue of reasons for a refusal with their
// replies and texts. It reads no network, no disk and no mail: the caller
// parses, verifies and looks up, and hands the findings in as values.
//
// The rules come from the documents of the service; where those disagree, the
// value is a parameter of the Profile, never a constant of a rule.
package policy
