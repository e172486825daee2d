// Package searchtext is the text of messages as SEARCH looks through it:
// decoded header fields and text parts, folded so that letters compare without
// regard to case and to how an accent is written.
//
// It owns the rule of what a message's text is. It never changes a message.
package searchtext
