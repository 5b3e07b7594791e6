package scheduling

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// An evaluator knows of one Snapshot what the filters ask about: what is free on each
// node and which pods stand where. It is built once and serves all pending pods; the
// pods are gone through when the first request needs them.
type evaluator struct {
	s      *cluster.Snapshot
	nodes  []*nodeState // by name
	byName map[string]*nodeState

	filled      bool
	byNamespace map[string][]placed // pods that stand on a node
	guards      []guard             // required anti-affinity of pods that stand on a node
	nominated   map[string][]*corev1.Pod
	leaving     map[*corev1.Pod]bool // being deleted, and soon gone
	names       []string             // of the namespaces in byNamespace

	seesNodes, seesPods bool // whether all of them are in the Snapshot
}

// nodeState is a node and what its pods have taken of it.
type nodeState struct {
	node      *corev1.Node
	offers    amounts // status.allocatable
	taken     amounts // sum of the requests of the pods on it
	pods      []*corev1.Pod
	portsUsed []portUse
}

// placed is a pod on a node.
type placed struct {
	pod *corev1.Pod
	on  *nodeState
}

func newEvaluator(s *cluster.Snapshot) *evaluator {
	ev := &evaluator{
		s: s, byName: map[string]*nodeState{}, byNamespace: map[string][]placed{},
		nominated: map[string][]*corev1.Pod{}, leaving: map[*corev1.Pod]bool{},
		seesNodes: s.Sees(cluster.Nodes, ""), seesPods: s.Sees(cluster.Pods, ""),
	}
	for node := range cluster.All[*corev1.Node](s) {
		n := &nodeState{node: node, offers: amountsOf(node.Status.Allocatable), taken: amounts{}}
		ev.nodes = append(ev.nodes, n)
		ev.byName[node.Name] = n
	}
	return ev
}

func (ev *evaluator) fill() {
	if ev.filled {
		return
	}
	ev.filled = true
	for pod := range cluster.All[*corev1.Pod](ev.s) {
		if cluster.PodFinished(pod) {
			continue // its requests are free again
		}
		if n := ev.byName[pod.Spec.NodeName]; n != nil {
			n.add(pod)
			at := placed{pod, n}
			ev.byNamespace[pod.Namespace] = append(ev.byNamespace[pod.Namespace], at)
			ev.guards = append(ev.guards, ev.guardsOf(at)...)
			// One whose time is long over does not leave by itself.
			if pod.DeletionTimestamp != nil && ev.s.Since(pod.DeletionTimestamp.Time) < time.Minute {
				ev.leaving[pod] = true
			}
		} else if pod.Spec.NodeName == "" && pod.Status.NominatedNodeName != "" {
			ev.nominated[pod.Status.NominatedNodeName] = append(ev.nominated[pod.Status.NominatedNodeName], pod)
		}
	}
	ev.names = slices.Sorted(maps.Keys(ev.byNamespace))
}

func (n *nodeState) add(pod *corev1.Pod) {
	n.pods = append(n.pods, pod)
	n.taken.add(requestsOnNode(pod))
	for _, p := range hostPorts(pod) {
		n.portsUsed = append(n.portsUsed, portUse{p, pod})
	}
}

// requestsOnNode is what a pod on a node takes: since pods can be resized in place, the
// largest of what it asks for and what it was given (k8s.io/kubernetes
// pkg/scheduler/framework/types.go, PodInfo.CalculateResource).
func requestsOnNode(pod *corev1.Pod) amounts {
	return amountsOf(resource.PodRequests(pod, resource.PodResourcesOptions{
		UseStatusResources: true, InPlacePodLevelResourcesVerticalScalingEnabled: true,
	}))
}

// A request is one pod that wants a node, with its rules parsed once for all nodes.
type request struct {
	ev      *evaluator
	pod     *corev1.Pod
	without map[*corev1.Pod]bool // pods thought away, to ask what would be without them

	wants       amounts
	ports       []hostPort
	selector    nodeaffinity.RequiredNodeAffinity
	hasSelector bool
	claims      []claim
	spreads     []spread
	pods        podRules
}

func (ev *evaluator) request(pod *corev1.Pod, without map[*corev1.Pod]bool) *request {
	ev.fill()
	r := ev.place(pod)
	r.without, r.ports = without, hostPorts(pod)
	r.wants = amountsOf(resource.PodRequests(pod, resource.PodResourcesOptions{}))
	r.claims = ev.claimsOf(pod)
	r.findUsers()
	r.spreads = r.countSpreads()
	r.pods = r.parsePodRules()
	return r
}

// place is a request for the filters that look at nothing but the node.
func (ev *evaluator) place(pod *corev1.Pod) *request {
	r := &request{ev: ev, pod: pod}
	r.hasSelector = len(pod.Spec.NodeSelector) > 0 || requiredNodeTerms(pod) != nil
	if r.hasSelector {
		r.selector = nodeaffinity.GetRequiredNodeAffinity(pod)
	}
	return r
}

// present iterates the pods of one namespace that stand on a node, without those that
// are thought away.
func (r *request) present(namespace string) func(yield func(placed) bool) {
	return func(yield func(placed) bool) {
		for _, at := range r.ev.byNamespace[namespace] {
			if !r.without[at.pod] && at.pod != r.pod && !yield(at) {
				return
			}
		}
	}
}

// expected are pods that the scheduler counts as if they were on the node: it has made
// room for them there, and they are at least as important as this pod (k8s.io/kubernetes
// pkg/scheduler/framework/runtime/framework.go, addGENominatedPods).
func (r *request) expected(n *nodeState) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(r.ev.nominated[n.node.Name]), func(other *corev1.Pod) bool {
		return other == r.pod || other.UID == r.pod.UID || priority(other) < priority(r.pod)
	})
}

func priority(pod *corev1.Pod) int32 {
	if pod.Spec.Priority != nil {
		return *pod.Spec.Priority
	}
	return 0
}

func requiredNodeTerms(pod *corev1.Pod) *corev1.NodeSelector {
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		return a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}
