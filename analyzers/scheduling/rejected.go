package scheduling

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Rejected finds pods that a kubelet turned away after they had been bound to its node.
var Rejected = &analyzers.Analyzer{
	Name: "scheduling/rejected",
	Doc: `pods that a kubelet turned away after they were bound to its node

A pod that its controller has replaced since is not reported.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{rejected},
	Run:   runRejected,
}

// rejections are reasons of a pod that the kubelet did not admit (k8s.io/kubernetes
// pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/cm/topologymanager); beside them stand
// OutOfcpu, OutOfmemory, OutOfpods and OutOf<resource>. Left out are Evicted and
// NodeShutdown, which tell of the node, and VolumeAttachmentLimitExceeded.
var rejections = map[string]string{
	"NodeAffinity":                         "the node does not match its node selector",
	"NodeName":                             "the pod is for another node",
	"NodePorts":                            "its host port is taken on the node",
	"TaintToleration":                      "it does not tolerate a taint of the node",
	"TopologyAffinityError":                "the node's topology manager finds no aligned set of resources",
	"UnexpectedAdmissionError":             "a resource could not be given to it",
	"PodOSNotSupported":                    "it is for another operating system",
	"PodOSSelectorNodeLabelDoesNotMatch":   "it is for another operating system",
	"SupplementalGroupsPolicyNotSupported": "the node does not support its supplementalGroupsPolicy",
	"InitContainerRestartPolicyForbidden":  "the node does not support the restart policy of its init containers",
	"InvalidNodeInfo":                      "the kubelet could not read its node",
}

var outOf = regexp.MustCompile(`enough resource: ([^,]+), requested: (\d+), used: (\d+), capacity: (\d+)`)

func runRejected(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if why, ok := rejection(pod); ok && pod.DeletionTimestamp == nil && stillMissed(p, pod) {
			p.Report(rejectedFinding(p, pod, why))
		}
	}
	return nil
}

func rejection(pod *corev1.Pod) (why string, ok bool) {
	if pod.Status.Phase != corev1.PodFailed {
		return "", false
	}
	reason := pod.Status.Reason
	if why, ok := rejections[reason]; ok {
		return why, true
	}
	resource, ok := strings.CutPrefix(reason, "OutOf")
	if !ok || resource == "" {
		return "", false
	}
	if m := outOf.FindStringSubmatch(pod.Status.Message); m != nil {
		name := corev1.ResourceName(m[1])
		var n [3]int64
		for i := range n {
			n[i], _ = strconv.ParseInt(m[i+2], 10, 64)
		}
		t := amountTexts(name, n[:]...)
		return fmt.Sprintf("it requests %s %s, but %s of %s are taken", t[0], name, t[1], t[2]), true
	}
	return "not enough " + resource, true
}

// stillMissed reports whether nothing has taken the pod's place. After a node restarts,
// controllers replace what was turned away, and the failed pods stay as a trace.
func stillMissed(p *analyzers.Pass, pod *corev1.Pod) bool {
	_, owner, owned := p.Owner(pod)
	if !owned {
		return true
	}
	if owner == nil {
		return false // who would replace it is not known
	}
	if job, ok := owner.(*batchv1.Job); ok {
		for _, c := range job.Status.Conditions {
			if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
				return false
			}
		}
	}
	active := int32(0)
	for _, other := range p.PodsOf(owner) {
		_, turnedAway := rejection(other)
		if !turnedAway && !other.CreationTimestamp.Before(&pod.CreationTimestamp) && other.UID != pod.UID {
			return false // a newer one was not turned away
		}
		if !cluster.PodFinished(other) {
			active++
		}
	}
	want, ok := cluster.Replicas(owner)
	return !ok || active < want
}

func rejectedFinding(p *analyzers.Pass, pod *corev1.Pod, why string) analyzers.Finding {
	q := &inquiry{Pass: p, pod: pod, root: p.Root(pod), owner: p.RootObject(pod)}
	ref := cluster.RefOf(pod).String()
	f := analyzers.Finding{
		Code: rejected, Subject: q.root, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary:  fmt.Sprintf("Node %s turned the pod away: %s (%s)", pod.Spec.NodeName, why, pod.Status.Reason),
		Evidence: []analyzers.Evidence{{Source: ref, Path: "status.message", Quote: pod.Status.Message}},
	}
	if ev, ok := p.LastEvent(pod, nil, pod.Status.Reason); ok {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on " + ref, Path: ev.Reason, Quote: ev.Message, At: cluster.EventTime(ev)})
	}
	if q.template().NodeName != "" {
		if _, scheduled := p.LastEvent(pod, nil, "Scheduled"); !scheduled {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: q.root.String(), Path: "spec.nodeName", Quote: "nodeName: " + pod.Spec.NodeName + "; no event says that the scheduler chose it"})
			fix := q.change("Leave out nodeName, so that the scheduler chooses a node that fits", map[string]any{"nodeName": nil})
			fix.Patch = nil // an overlay replaces pods that wait, not those that have failed
			f.Fixes = append(f.Fixes, fix)
		}
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show what the node has and what holds it", Argv: p.Kubectl("", "describe", "node", pod.Spec.NodeName)})
	return f
}
