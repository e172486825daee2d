// Package searchtext is the text of messages as SEARCH looks through it:
// decoded header fields and text parts, folded so that letters compare without
// regard to case and to how an accent is written.
//
// It owns the rule of what a message's text is (Scan reads it from the message,
// Extract takes it out once to be kept, both give the same hits) and the worker
// that keeps texts behind the commits (Indexer). Where they are kept is the
// store's; that they may be lost, and are always a little behind, is by design:
// what has no text is read. It never changes a message.
package searchtext
