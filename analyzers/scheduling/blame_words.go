package scheduling

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// wordsFinding reports what the scheduler says where the objects do not show it: nodes
// or pods are not visible, or the filter needs what a Snapshot does not hold. Nothing
// is added to the words, so the severity is lower.
func (q *inquiry) wordsFinding() (analyzers.Finding, bool) {
	if q.words.before != "" {
		return q.beforeFinding()
	}
	if f, ok := q.devicesClaimed(q.words.text); ok {
		return f, true
	}
	reason, ok := q.weightiest()
	if !ok {
		return analyzers.Finding{}, false
	}
	_, k, _ := filterOf(reason)
	f := analyzers.Finding{Code: codeOf(k), Severity: analyzers.Warning,
		Summary: fmt.Sprintf("The scheduler finds no node among %d: %s", max(q.words.nodes, 1), q.countsText(reason))}
	if q.e != nil && len(q.e.Fits()) > 0 {
		fits := q.e.Fits()
		note := fmt.Sprintf("%s could take the pod, as far as its objects show", nodesText(fits))
		if !q.ev.seesPods {
			note += "; pods of other namespaces are not visible"
		}
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(fits[0]).String(), Path: "status.allocatable", Quote: note})
	}
	f.Fixes = []analyzers.Fix{{Why: "Show what the scheduler says about the pod", Argv: q.Kubectl(q.pod.Namespace, "describe", "pod", q.pod.Name)}}
	if f.Evidence == nil {
		f.Evidence = []analyzers.Evidence{q.words.at}
		q.said = false // said already
	}
	return f, true
}

// weightiest is the reason that decides, from the counts alone. Selectors and taints
// say where the pod does not belong; they decide only when nothing else turns a node
// down (compare decide).
func (q *inquiry) weightiest() (string, bool) {
	order := []kind{bySpread, byAffinity, byPort, byDevice, byPodCount, byRoom, byState, byBinding, byVolume, byTaint, bySelector}
	var best string
	rank := len(order)
	for _, reason := range slices.Sorted(maps.Keys(q.words.counts)) {
		if _, k, ok := filterOf(reason); ok {
			if i := slices.Index(order, k); i >= 0 && i < rank {
				best, rank = reason, i
			}
		}
	}
	return best, best != ""
}

func (q *inquiry) countsText(first string) string {
	reasons := slices.SortedFunc(maps.Keys(q.words.counts), func(a, b string) int {
		if (a == first) != (b == first) {
			if a == first {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(q.words.counts[b], q.words.counts[a]), cmp.Compare(a, b))
	})
	parts := make([]string, 0, 2)
	for _, r := range reasons[:min(len(reasons), 2)] {
		parts = append(parts, fmt.Sprintf("%d %s", q.words.counts[r], r))
	}
	return strings.Join(parts, ", ")
}

// codeOf is the code for a kind known from words alone.
func codeOf(k kind) analyzers.Code {
	switch k {
	case bySelector:
		return selectorMismatch
	case byVolume:
		return zoneConflict
	case byBinding:
		return unboundClaim
	case byTaint:
		return untoleratedTaint
	case byState:
		return nodeCordoned
	case byAffinity:
		return affinity
	case byPort:
		return hostPortConflict
	case bySpread:
		return spreadMismatch
	case byDevice:
		return gpuNotAvailable
	case byPodCount:
		return maxPods
	}
	return insufficient
}

// beforeFinding is about words that concern no single node.
func (q *inquiry) beforeFinding() (analyzers.Finding, bool) {
	text := q.words.before
	if f, ok := q.devicesClaimed(text); ok {
		return f, true
	}
	switch {
	// k8s.io/kubernetes pkg/scheduler/schedule_one.go, ErrNoNodesAvailable.
	case strings.Contains(text, "no nodes available to schedule pods"):
		if q.ev.seesNodes && len(q.ev.nodes) > 0 {
			return analyzers.Finding{}, false // they have come since
		}
		return analyzers.Finding{Code: insufficient, Summary: "The cluster has no node to run pods on",
			Fixes: []analyzers.Fix{{Why: "Add a node; the command shows those that exist", Argv: q.Kubectl("", "get", "nodes")}}}, true
	case strings.Contains(text, "unbound immediate PersistentVolumeClaims"), strings.HasPrefix(text, "persistentvolumeclaim "):
		if q.ev.s.Sees(cluster.PersistentVolumeClaims, q.pod.Namespace) && q.e != nil && len(q.e.Everywhere) == 0 && q.ev.s.Sees(cluster.StorageClasses, "") {
			return analyzers.Finding{}, false // bound since
		}
		return analyzers.Finding{Code: unboundClaim, Severity: analyzers.Warning, Summary: "The scheduler waits for a volume claim: " + text,
			Fixes: []analyzers.Fix{{Why: "Show the claims", Argv: q.Kubectl(q.pod.Namespace, "get", "pvc")}}}, true
	}
	return analyzers.Finding{}, false
}

// devicesClaimed is dynamic resource allocation (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go). A Snapshot
// holds no ResourceClaims, so only the scheduler's words tell.
func (q *inquiry) devicesClaimed(text string) (analyzers.Finding, bool) {
	if len(q.pod.Spec.ResourceClaims) == 0 {
		return analyzers.Finding{}, false
	}
	var what string
	for _, phrase := range []string{"cannot allocate all claims", "does not exist", "resourceclaim not available on the node", "resourceclaim in use", "resourceclaim ", "resource claim ", "cannot schedule extended resource claim"} {
		if strings.Contains(text, phrase) {
			what = phrase
			break
		}
	}
	if what == "" {
		return analyzers.Finding{}, false
	}
	names := make([]string, len(q.pod.Spec.ResourceClaims))
	for i, c := range q.pod.Spec.ResourceClaims {
		names[i] = c.Name
	}
	f := analyzers.Finding{
		Code:     claimUnallocated,
		Summary:  fmt.Sprintf("Resource claim %s cannot be allocated: no node has devices that satisfy it", some(names, 3)),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(q.pod).String(), Path: "spec.resourceClaims", Quote: "resourceClaims: " + claimText(q.pod)}},
		Fixes: []analyzers.Fix{
			{Why: "Show the claim and what it asks for", Argv: q.Kubectl(q.pod.Namespace, "get", "resourceclaims", "-o", "wide")},
			{Why: "Show which devices the drivers offer", Argv: q.Kubectl("", "get", "resourceslices,deviceclasses")},
		},
	}
	if i := strings.Index(text, "device class "); i >= 0 {
		class, _, _ := strings.Cut(text[i+len("device class "):], " ")
		f.Summary = fmt.Sprintf("Resource claim %s asks for device class %s, which does not exist", some(names, 3), class)
	}
	if ev, ok := q.LastEvent(q.pod, nil, "FailedResourceClaimCreation"); ok {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on " + cluster.RefOf(q.pod).String(), Path: ev.Reason, Quote: ev.Message, At: cluster.EventTime(ev)})
		f.Summary = fmt.Sprintf("Resource claim %s cannot be made from its template", some(names, 3))
	}
	return f, true
}

func claimText(pod *corev1.Pod) string {
	var out []string
	for _, c := range pod.Spec.ResourceClaims {
		switch {
		case c.ResourceClaimName != nil:
			out = append(out, c.Name+": claim "+*c.ResourceClaimName)
		case c.ResourceClaimTemplateName != nil:
			out = append(out, c.Name+": template "+*c.ResourceClaimTemplateName)
		}
	}
	return strings.Join(out, ", ")
}
