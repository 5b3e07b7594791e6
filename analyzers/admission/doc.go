// Package admission holds the checks of who may do what: what the API server forbids to
// the ServiceAccount of a program, and what a cloud does not give to it. Pods that
// admission itself refuses are in package rollouts: nothing but their controller tells of
// them.
package admission
