//go:build race

package storetest

// largeMailbox is how many messages a large mailbox has: fewer with the race
// detector, with which everything takes many times as long.
const largeMailbox = 10_000
