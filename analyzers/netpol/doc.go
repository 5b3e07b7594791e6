// Package netpol reports network policies that cut something off that is meant to work:
// a program from what it depends on, pods from the cluster's DNS, an Ingress controller
// from its backends; policies that select nothing by a slip; and policies without effect.
// What a policy lets through is decided by package reach.
//
// A policy that denies is no fault: that is what it is for. A finding needs somebody who
// fails for it, or a slip that shows in the objects.
package netpol
