// Package house holds the tests of the plan of the house: which room may import which,
// and which third-party package belongs to one room alone.
package house
