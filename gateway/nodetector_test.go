//go:build !race

package gateway_test

// stride is how many operations of a scenario pass between two faults.
const stride = 1
