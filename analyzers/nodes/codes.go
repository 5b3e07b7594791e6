package nodes

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

func risk(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Warning, Role: analyzers.Cause, Title: title}
}

var (
	stopped     = cause("node-not-ready-kubelet-stopped", "Node does not report any more")
	noNetwork   = cause("node-not-ready-cni", "Node has no pod network")
	runtimeDown = cause("node-not-ready-runtime", "Container runtime of a node does not answer")
	notReady    = cause("node-not-ready", "Node says that it is not ready")
	shutDown    = cause("node-shutdown-pods-terminated", "Node is shut down and its pods have ended")
	restarting  = cause("kubelet-not-starting", "Kubelet of a node starts again and again")
	joinFailed  = cause("node-join-failed", "Machine does not get into the cluster")
	diskFull    = cause("node-disk-pressure", "Node runs out of disk space")
	memoryFull  = cause("node-memory-pressure", "Node runs out of memory")
	tooManyPIDs = cause("node-pid-pressure", "Node runs out of process ids")
	problem     = cause("node-problem-detected", "A monitor on the node reports a fault of the machine")
	conntrack   = cause("conntrack-exhausted", "Connection table of a node is full")
	servingCert = cause("kubelet-serving-cert-not-approved", "Kubelet has no approved serving certificate")
	unreachable = cause("kubectl-logs-exec-unreachable", "API server does not reach a kubelet")
	versionSkew = risk("node-version-skew", "Kubelet and API server are too many versions apart")

	// Its pods' own fault, where that can be seen, is what is to be mended.
	proxyBroken = analyzers.Code{ID: "kube-proxy-broken", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "kube-proxy does not work on a node, and Services do not either"}
)
