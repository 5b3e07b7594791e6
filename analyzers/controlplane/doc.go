// Package controlplane finds faults of the cluster's own control plane: aggregated APIs
// that are not served, a controller manager that does no work, an etcd that takes no
// writes, certificates that the API server trusts and that have run out.
//
// A provider that hides its control plane shows neither its pods nor its Leases. What is
// not visible is not down: each check wants a fact that says so.
//
// Not reported, as one Snapshot cannot tell it: updates refused because the object was
// changed meanwhile (conflict-object-modified), which are daily life unless two writers
// fight for ever, and a leader that changes often, as a Lease counts its changes since it
// was made. What keeps a cluster from being read at all (apiserver-unreachable,
// kubeconfig-missing-context, x509-unknown-authority-api, apiserver-unauthorized) is an
// error of reading, which names its page.
package controlplane
