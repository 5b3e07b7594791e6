// Package sandbox checks why pods get no sandbox on their node: the network plugin fails
// or has no address left, the runtime does not know the pod's handler or cannot make the
// group of processes. It reads the kubelet's words about pods that stand there now.
package sandbox
