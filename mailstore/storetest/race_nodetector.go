//go:build !race

package storetest

// largeMailbox is how many messages a large mailbox has.
const largeMailbox = 100_000
