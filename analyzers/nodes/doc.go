// Package nodes checks the machines that pods run on: whether their kubelets report, what
// they report, and the parts of a node that pods rely on without naming it: its network,
// its runtime, kube-proxy, the way of the API server to the kubelet.
package nodes
