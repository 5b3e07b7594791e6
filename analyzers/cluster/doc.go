// Package cluster holds one Snapshot of a Kubernetes cluster: typed objects, the
// indexes over them, container logs, a clock of its own, and a record of what could
// not be read.
//
// A Snapshot is built once by a Builder and never changes afterwards. It is the only
// thing an analyzer sees, so that the same check runs on a live cluster, on a capture
// file and in a test, and gives the same answer each time. The package imports no
// other room of the project and holds no client.
package cluster
