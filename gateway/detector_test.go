//go:build race

package gateway_test

// stride is how many operations of a scenario pass between two faults: with
// the race detector everything takes many times as long, and who fails where
// makes no difference to it.
const stride = 5
