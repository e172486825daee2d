// Package boltstore is the embedded storage engine: package mailstore's
// contract on one bbolt file, meta.db, with the large bodies beside it.
//
// It owns the layout of that file and of search.db, which holds the texts of
// messages and can be made anew (texts.go), the keys that seal both, the group
// commit and the hints to watchers. It never parses mail and knows no letter.
//
// One goroutine writes. It takes whatever Updates wait, runs them in one bbolt
// transaction, commits once and answers all: two fdatasyncs serve everybody
// who waited. Readers work on snapshots and never wait for it, but for those who
// meet a commit in its last sync: nobody sees what a loss of power could take
// back.
//
// # Layout
//
// Every bucket is flat; keys are big-endian composites that begin with the
// account's number, so that what is read together lies together. Times are
// nanoseconds since 1970, UTC.
//
//	meta      name                                format, keys, counters
//	holder    holder id                           number, wrapped key
//	account   account id                          number, holder, settings (sealed)
//	state     account                             modseq, counters, usage
//	address   MAC of address                      account id
//	cred      account, credential id              credential (sealed)
//	setting   MAC of name                         value (sealed)
//	box       account, mailbox                    counts, name and keywords (sealed)
//	boxname   account, MAC of name                mailbox
//	purge     account, mailbox                    deleted, rows still to be removed; its account and record
//	doomed    account, mailbox, first uid         account id; flags of expunged messages, to be dropped
//	row       account, mailbox, uid               message without flags
//	flag      account, mailbox, uid/128           modseq, flags and keywords of 128 UIDs
//	log       account, mailbox, modseq            UIDs created, changed, vanished
//	email     account, EmailID                    first UID, locations
//	shows     account, letter, mailbox, uid       nothing
//	rowkey    account, MAC of key, mailbox, uid   nothing
//	letter    account, letter, role               record (details sealed)
//	lettime   account, time, letter, role         nothing
//	letkey    account, MAC of key, letter, role   nothing
//	evidence  account, letter, n                  record (details sealed)
//	journal   account, index                      record (details sealed)
//	hash      account, index/16                   up to 16 tree hashes
//	item      item id                             queue item (payload sealed)
//	due       class, time, item id                nothing; time is due or end of lease
//	past      item id                             time of completion
//	gone      time, kind, account, id             what Sweep forgets
//	wrap      body name, holder                   uses, size, place, wrapped key
//	inline    place                               sealed small body
//	dead      time, place, body name              bodies that nobody holds any more
//	keep      account, EmailID                    term and hold of a message
//	keepend   account, end of term, EmailID       nothing
//	vault     account, EmailID                    row of a kept message without a mailbox
package boltstore
