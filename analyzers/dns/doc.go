// Package dns finds what keeps names from being resolved: the cluster's own DNS servers,
// their configuration and upstreams, pods that ask another server, and names that stand
// for nothing.
//
// Whatever serves the whole cluster is reported even when its namespace is out of scope.
// Pods of the DNS that cannot be seen are no fault: many clusters run it elsewhere.
package dns
