package termination

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

var (
	evictedMemory  = cause("pod-evicted-memory", "Pods are evicted because their node runs out of memory")
	evictedStorage = cause("pod-evicted-ephemeral-storage", "Pods are evicted for the local storage that they or others use")
	evictedPIDs    = cause("pod-evicted-pids", "Pods are evicted because their node runs out of process IDs")

	heldByFinalizer = cause("pod-stuck-terminating-finalizer", "Object is deleted and a finalizer holds it")
	notKilled       = cause("pod-stuck-terminating-killfail", "Pod is deleted and the kubelet does not get it down")
	nodeLost        = cause("pod-stuck-terminating-node-lost", "Pod is deleted and its node does not answer")
	namespaceStuck  = cause("namespace-stuck-terminating", "Namespace is deleted and something holds it")

	requestsDropped = analyzers.Code{ID: "termination-requests-dropped", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Pods end before their traffic is taken away"}
)
