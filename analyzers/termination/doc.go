// Package termination holds the checks of how pods and other objects end: pods that the
// kubelet evicts, objects that are deleted and do not go, namespaces among them, and ends
// that cost requests.
package termination
