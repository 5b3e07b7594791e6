package scheduling

import "github.com/kubefathom/fathom/analyzers"

func cause(id, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: analyzers.Error, Role: analyzers.Cause, Title: title}
}

var (
	insufficient     = cause("insufficient-cpu-memory", "No node has the CPU, memory or disk that the pod requests")
	gpuNotAvailable  = cause("gpu-not-available", "No node has the device that the pod requests free")
	selectorMismatch = cause("node-selector-mismatch", "Node selector or affinity matches no node")
	untoleratedTaint = cause("untolerated-taint", "Pod does not tolerate the taint of the nodes")
	affinity         = cause("pod-affinity-unsatisfied", "Pod affinity or anti-affinity rules out every node")
	spreadMismatch   = cause("topology-spread-unsatisfied", "Topology spread constraint rules out every node")
	zoneConflict     = cause("pvc-zone-conflict", "Volume is tied to a zone or node where the pod cannot go")
	hostPortConflict = cause("hostport-conflict", "Host port is taken on every node that fits")
	claimUnallocated = cause("dra-claim-unallocated", "Resource claim cannot be allocated")
	podOverhead      = cause("pod-overhead-runtimeclass", "Overhead or an injected container makes the pod too large")
	surgeNoCapacity  = cause("rollout-surge-no-capacity", "Rollout waits for room for one pod more")

	// The claim has a fault of its own, and that finding explains this one.
	unboundClaim = analyzers.Code{ID: "pod-unbound-pvc", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Pod waits for a volume claim that is missing or not bound"}

	schedulingGated = analyzers.Code{ID: "scheduling-gated", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Pod waits for a scheduling gate to be removed"}
	preempted       = analyzers.Code{ID: "preempted-by-priority", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Pods had to leave for pods of higher priority"}
	rejected        = cause("kubelet-admission-rejected", "Kubelet rejected a pod that was bound to its node")
	daemonMissing   = cause("daemonset-not-scheduled", "DaemonSet has no pod on nodes where it belongs")

	// Failure modes of nodes and the control plane that show in pending pods.
	nodeCordoned  = cause("node-cordoned", "Node is cordoned and pods that need it stay pending")
	maxPods       = cause("kubelet-max-pods", "Node runs as many pods as it may")
	schedulerDown = cause("scheduler-down", "No scheduler handles the pod")
)
