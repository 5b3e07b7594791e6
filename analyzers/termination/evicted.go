package termination

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Evicted reports pods that the kubelet evicted, by cause.
var Evicted = &analyzers.Analyzer{
	Name: "termination/evicted",
	Doc: `pods that the kubelet evicts for memory, local storage or process IDs

An error while the workload lacks pods or is evicted again and again. Pods that are left
over from evictions whose workload is well are only noted.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{evictedMemory, evictedStorage, evictedPIDs},
	Run:   evicted,
}

const (
	// fresh is how long ago evictions count together as happening again and again.
	fresh = time.Hour
	// replaced is how soon the loss of a pod is made good: what a workload lacks later than
	// that it lacks for another reason.
	replaced = 10 * time.Minute
)

func evicted(p *analyzers.Pass) error {
	byRoot := map[analyzers.Ref][]eviction{}
	var order []analyzers.Ref
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		e, ok := evictionOf(p.Snapshot, pod)
		if !ok {
			continue
		}
		root := p.Root(pod)
		if byRoot[root] == nil {
			order = append(order, root)
		}
		byRoot[root] = append(byRoot[root], e)
	}
	for _, root := range order {
		list := byRoot[root]
		last := list[0]
		for _, e := range list {
			if e.at.After(last.at) {
				last = e
			}
		}
		severity, word := judge(p, last, list)
		if severity == "" {
			continue
		}
		report(p, root, last, severity, word)
		for _, e := range list {
			if e.code == last.code && e.pod != last.pod {
				p.Again(e.code, severity, root, "", cluster.RefOf(e.pod))
			}
		}
	}
	return nil
}

// judge says how bad evictions are, by how their workload is now. An empty severity: of no
// interest any more.
func judge(p *analyzers.Pass, last eviction, list []eviction) (severity analyzers.Severity, word string) {
	recent := 0
	for _, e := range list {
		if p.Since(e.at) < fresh {
			recent++
		}
	}
	workload := p.RootObject(last.pod)
	if job, ok := owningJob(p, last.pod); ok {
		switch {
		case cluster.JobIs(job, batchv1.JobComplete) || !p.LastRunOf(job):
			return "", ""
		case cluster.JobIs(job, batchv1.JobFailed):
			return analyzers.Error, ""
		}
		return analyzers.Warning, "; the Job tries again"
	}
	if workload == nil || workload == cluster.Object(last.pod) {
		if _, _, owned := p.Owner(last.pod); !owned {
			return analyzers.Error, "; nothing replaces it"
		}
		return analyzers.Info, ""
	}
	t, ok := cluster.Template(workload)
	lacks := short(workload)
	switch {
	case ok && !last.applies(t):
		return analyzers.Info, "; that limit is another one now"
	case lacks && p.Since(last.at) < replaced:
		return analyzers.Error, again(recent)
	case last.own && recent > 1 && !outlived(p, workload, list):
		return analyzers.Error, again(recent)
	case last.own && p.Since(last.at) < 24*time.Hour:
		return analyzers.Warning, ""
	case recent > 2 && p.Since(last.at) < fresh/4:
		return analyzers.Warning, again(recent)
	}
	return analyzers.Info, ""
}

func again(recent int) string {
	if recent > 1 {
		return ", again and again"
	}
	return ""
}

func owningJob(p *analyzers.Pass, pod *corev1.Pod) (*batchv1.Job, bool) {
	_, owner, _ := p.Owner(pod)
	job, ok := owner.(*batchv1.Job)
	return job, ok
}

// short reports whether a workload has fewer ready pods than it wants.
func short(workload cluster.Object) bool {
	wants, ok := cluster.Replicas(workload)
	if !ok {
		return false
	}
	switch o := workload.(type) {
	case *appsv1.Deployment:
		return o.Status.ReadyReplicas < wants
	case *appsv1.ReplicaSet:
		return o.Status.ReadyReplicas < wants
	case *appsv1.StatefulSet:
		return o.Status.ReadyReplicas < wants
	case *appsv1.DaemonSet:
		return o.Status.NumberReady < wants
	}
	return false
}

// outlived reports whether a pod of the workload has by now run for much longer than those
// that were evicted.
func outlived(p *analyzers.Pass, workload cluster.Object, list []eviction) bool {
	var longest time.Duration
	for _, e := range list {
		longest = max(longest, e.at.Sub(e.pod.CreationTimestamp.Time))
	}
	for _, pod := range p.PodsOf(workload) {
		if cluster.PodReady(pod) && p.Since(pod.CreationTimestamp.Time) > 3*longest {
			return true
		}
	}
	return false
}

func report(p *analyzers.Pass, root analyzers.Ref, e eviction, severity analyzers.Severity, word string) {
	f := analyzers.Finding{
		Code: e.code, Severity: severity, Subject: root, Affected: []analyzers.Ref{cluster.RefOf(e.pod)},
		Evidence: []analyzers.Evidence{e.proof},
	}
	node, often, tail := e.pod.Spec.NodeName, word, ""
	if strings.HasPrefix(word, ";") {
		often, tail = "", word
	}
	if e.own {
		f.Summary = fmt.Sprintf("Pods are evicted%s: %s%s", often, e.what, tail)
	} else {
		f.Summary = fmt.Sprintf("Evicted%s from node %s, which %s%s", often, node, e.what, tail)
		f.CausedBy = []analyzers.Ref{{APIVersion: "v1", Kind: "Node", Name: node}}
		f.Shared = fmt.Sprintf("Node %s evicts pods, as it is short of resources", node)
	}
	if severity == analyzers.Info || severity == analyzers.Warning && word == "" { // the workload is well
		f.Summary = fmt.Sprintf("Failed pods are left from an eviction: %s%s", e.what, word)
		if !e.own {
			f.Summary = fmt.Sprintf("Failed pods are left from an eviction: node %s %s", node, e.what)
		}
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	if o := p.RootObject(e.pod); o != nil && severity != analyzers.Info {
		f.Evidence = append(f.Evidence, stateOf(o)...)
	}
	f.Fixes = fixes(p, root, e, severity)
	p.Report(f)
}

func stateOf(o cluster.Object) []analyzers.Evidence {
	wants, ok := cluster.Replicas(o)
	if !ok {
		return nil
	}
	var ready int32
	switch o := o.(type) {
	case *appsv1.Deployment:
		ready = o.Status.ReadyReplicas
	case *appsv1.ReplicaSet:
		ready = o.Status.ReadyReplicas
	case *appsv1.StatefulSet:
		ready = o.Status.ReadyReplicas
	case *appsv1.DaemonSet:
		ready = o.Status.NumberReady
	}
	return []analyzers.Evidence{{Source: cluster.RefOf(o).String(), Path: "status", Quote: fmt.Sprintf("%d of %d pods are ready", ready, wants)}}
}

func fixes(p *analyzers.Pass, root analyzers.Ref, e eviction, severity analyzers.Severity) []analyzers.Fix {
	ns := e.pod.Namespace
	clean := analyzers.Fix{Why: "Remove the pods that are left; they hold no resources", Argv: p.Kubectl(ns, "delete", "pod", e.pod.Name)}
	if severity == analyzers.Info {
		return []analyzers.Fix{clean}
	}
	patch := func(why, spec string) analyzers.Fix {
		fix := analyzers.Fix{Why: why, Argv: p.Kubectl(ns, "edit", root.Short())}
		if cluster.RollsOut(root) {
			fix.Argv = p.Kubectl(ns, "patch", root.Short(), "--type", "strategic", "-p", `{"spec":{"template":{"spec":`+spec+`}}}`)
		}
		return fix
	}
	var out []analyzers.Fix
	switch {
	case e.volume != "":
		out = append(out, patch("Give the volume the room that the program needs", fmt.Sprintf(`{"volumes":[{"name":%q,"emptyDir":{"sizeLimit":%q}}]}`, e.volume, larger(e.limit))))
	case e.own && e.container != "":
		out = append(out, patch("Give the container the room that it needs, or have it write less", fmt.Sprintf(`{"containers":[{"name":%q,"resources":{"limits":{"ephemeral-storage":%q}}}]}`, e.container, larger(e.limit))))
	case e.own:
		out = append(out, analyzers.Fix{Why: "Raise the limits on ephemeral-storage, or have the programs write less", Argv: p.Kubectl(ns, "edit", root.Short())})
	default:
		if e.code == evictedMemory {
			out = append(out, analyzers.Fix{Why: "Request what the program really uses: who is within the request is evicted last", Argv: p.Kubectl(ns, "set", "resources", root.Short(), "--requests=memory=<amount>")})
		}
		out = append(out, analyzers.Fix{Why: "Show what else fills the node", Argv: p.Kubectl("", "describe", "node", e.pod.Spec.NodeName)})
	}
	return append(out, clean)
}

// larger is the limit with the unit that was forgotten, or twice the limit.
func larger(limit string) string {
	digits := len(limit)
	for i, r := range limit {
		if r < '0' || r > '9' {
			digits = i
			break
		}
	}
	if digits == len(limit) && digits < 6 {
		return limit + "Mi"
	}
	n := 0
	if _, err := fmt.Sscanf(limit[:digits], "%d", &n); err != nil || n == 0 {
		return "<amount>"
	}
	return fmt.Sprintf("%d%s", 2*n, limit[digits:])
}
