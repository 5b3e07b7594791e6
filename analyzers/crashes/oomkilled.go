package crashes

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// OOMKilled reports containers that the kernel kills for their memory: at work, or, with
// a limit of a few MiB or in the wrong unit, before they start at all. Without a limit on
// container and pod it was the node that ran out.
var OOMKilled = &analyzers.Analyzer{
	Name:  "crashes/oom-killed",
	Doc:   "containers that are killed at their memory limit or for the node's memory",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{oomKilled},
	Run: func(p *analyzers.Pass) error {
		for _, c := range crashed(p) {
			if c.end.Reason == "OOMKilled" {
				reportOOM(p, c)
			}
		}
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if pod.DeletionTimestamp == nil && !cluster.PodFinished(pod) {
				oomAtStart(p, pod)
			}
		}
		return nil
	},
}

func reportOOM(p *analyzers.Pass, c crash) {
	limit, field, ok := memoryLimit(c.pod, c.container, c.status)
	if !ok {
		reportNodeOOM(p, c)
		return
	}
	what := "its memory limit of"
	if field == podLimit {
		what = "its pod's memory limit of"
	}
	f := c.finding(oomKilled, fmt.Sprintf("%s is OOM-killed at %s %s%s", c.name(), what, limit.String(), unitHint(limit)))
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(c.pod).String(), Path: field, Quote: "limits.memory: " + limit.String()})
	f.Evidence[0].Quote = "limits.memory: " + limit.String() + ", " + f.Evidence[0].Quote // both make the case
	f.Fixes = raiseLimit(p, c, limit, field)
	if back, ok := c.rollback(p); ok {
		f.Fixes = append(f.Fixes, back)
	}
	p.Report(f)
}

// reportNodeOOM: with no limit on the way, only the node's own memory, or what it reserves
// for pods, ends.
func reportNodeOOM(p *analyzers.Pass, c crash) {
	f := c.finding(oomKilled, fmt.Sprintf("%s is OOM-killed without a memory limit: node %s ran out of memory", c.name(), c.pod.Spec.NodeName))
	if c.pod.Spec.NodeName != "" {
		node := analyzers.Ref{APIVersion: "v1", Kind: "Node", Name: c.pod.Spec.NodeName}
		f.CausedBy, f.Shared = []analyzers.Ref{node}, fmt.Sprintf("Node %s ran out of memory", node.Name)
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show what the node's pods request and, under Events, what was killed", Argv: p.Kubectl("", "describe", "node", node.Name)})
	}
	if cluster.RollsOut(c.subject) {
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  "Set a request and a limit, so that the container is not the first to be killed",
			Argv: p.Kubectl(c.subject.Namespace, "set", "resources", c.subject.Short(), "-c", c.status.Name, "--requests=memory=<size>", "--limits=memory=<size>"),
		})
	}
	p.Report(f)
}

const podLimit = "spec.resources.limits.memory"

// memoryLimit is the limit that holds for a container: its own as the runtime has it, its
// own as asked for, or the pod's.
func memoryLimit(pod *corev1.Pod, c *corev1.Container, status corev1.ContainerStatus) (resource.Quantity, string, bool) {
	inStatus, inSpec := "status.containerStatuses[", "spec.containers["
	if _, init, _ := cluster.Container(&pod.Spec, c.Name); init {
		inStatus, inSpec = "status.initContainerStatuses[", "spec.initContainers["
	}
	if r := status.Resources; r != nil {
		if q, ok := r.Limits[corev1.ResourceMemory]; ok && !q.IsZero() {
			return q, inStatus + c.Name + "].resources.limits.memory", true
		}
	}
	if q, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && !q.IsZero() {
		return q, inSpec + c.Name + "].resources.limits.memory", true
	}
	if r := pod.Spec.Resources; r != nil {
		if q, ok := r.Limits[corev1.ResourceMemory]; ok && !q.IsZero() {
			return q, podLimit, true
		}
	}
	return resource.Quantity{}, "", false
}

// unitHint points at a limit in the wrong unit: "128m" are 0.128 bytes, "128" are bytes,
// "128k" hold no program.
func unitHint(q resource.Quantity) string {
	switch s := q.String(); {
	case strings.HasSuffix(s, "m"):
		return ": m means thousandths of a byte, Mi was meant"
	case q.Value() < 1<<20:
		return ", which is less than 1Mi"
	}
	return ""
}

func raiseLimit(p *analyzers.Pass, c crash, limit resource.Quantity, field string) []analyzers.Fix {
	if !cluster.RollsOut(c.subject) {
		return []analyzers.Fix{{Why: "Show the limit and how the container ended, to raise the one or mend the other", Argv: p.Kubectl(c.subject.Namespace, "describe", c.subject.Short())}}
	}
	if field == podLimit {
		return []analyzers.Fix{{Why: "Raise the pod's limit, spec.template.spec.resources.limits.memory", Argv: p.Kubectl(c.subject.Namespace, "edit", c.subject.Short())}}
	}
	double := resource.NewQuantity(limit.Value()*2, resource.BinarySI)
	why := "Double the limit; a program that outgrows that too leaks, or needs a bound on its heap (such as GOMEMLIMIT)"
	if limit.Value() < 16<<20 {
		double = resource.NewQuantity(128<<20, resource.BinarySI)
		why = "Set a limit in which a program can start"
	}
	return []analyzers.Fix{{Why: why, Argv: p.Kubectl(c.subject.Namespace, "set", "resources", c.subject.Short(), "-c", c.status.Name, "--limits=memory="+double.String())}}
}
