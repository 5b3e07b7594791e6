// Package reach tells whether the network policies of a cluster let one end talk to
// another: a pod, a Service or an address, on a port, out of the one and into the other.
//
// It follows the specification (k8s.io/api/networking/v1, types.go) and its page
// https://kubernetes.io/docs/concepts/services-networking/network-policies/. Where these
// leave something to the network plugin, or the Snapshot does not show what decides, the
// answer is NotEvaluated with the reason, never a guess. Policies of other projects
// (Cilium, Calico, AdminNetworkPolicy) that may apply have that effect too.
package reach
