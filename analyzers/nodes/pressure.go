package nodes

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Pressure finds nodes that run out of disk space, memory or process ids.
var Pressure = &analyzers.Analyzer{
	Name: "nodes/pressure",
	Doc: `nodes that run out of disk space, memory or process ids

A node under pressure evicts pods and takes no new ones. Noted are also nodes that are
about to get there: their image garbage collection frees nothing, or the kernel has had
to kill processes of the machine itself.`,
	Needs: append(slices.Clone(nodeKinds), cluster.Events),
	Emits: []analyzers.Code{diskFull, memoryFull, tooManyPIDs},
	Run: func(p *analyzers.Pass) error {
		for _, n := range nodesOf(p.Snapshot) {
			under := map[string]bool{}
			for _, k := range pressures {
				if c := condition(n.Node, k.condition); c != nil && c.Status == corev1.ConditionTrue {
					under[k.code.ID] = true
					p.Report(pressureFinding(p, n, k, c))
				}
			}
			if n.isReady() { // of one that is silent, the events tell of the time before
				reportEarly(p, n, under)
			}
		}
		return nil
	},
}

// A pressure is one condition that the kubelet sets before it evicts pods (k8s.io/kubernetes
// pkg/kubelet/eviction/helpers.go, signalToNodeCondition).
type pressure struct {
	condition corev1.NodeConditionType
	code      analyzers.Code
	what      string
	resources []string // as in "The node was low on resource: memory."
}

var pressures = []pressure{
	{corev1.NodeDiskPressure, diskFull, "disk space", []string{"ephemeral-storage", "inodes", "imagefs", "nodefs"}},
	{corev1.NodeMemoryPressure, memoryFull, "memory", []string{"memory"}},
	{corev1.NodePIDPressure, tooManyPIDs, "process ids", []string{"pids"}},
}

// recentEviction is how long an evicted pod speaks of the pressure that the node is under now.
const recentEviction = time.Hour

func pressureFinding(p *analyzers.Pass, n *node, k pressure, c *corev1.NodeCondition) analyzers.Finding {
	f := analyzers.Finding{
		Code: k.code, Severity: analyzers.Warning, Subject: n.ref,
		Summary:  fmt.Sprintf("Node %s is short of %s since %s and takes no new pods", n.Name, k.what, clock(p.Now(), c.LastTransitionTime.Time)),
		Evidence: []analyzers.Evidence{n.conditionEvidence(c)},
		Fixes:    []analyzers.Fix{describe(p, n)},
	}
	evicted := evictedFrom(p, n, k, c)
	for _, pod := range evicted {
		f.Affected = append(f.Affected, cluster.RefOf(pod))
	}
	if len(evicted) > 0 {
		f.Severity = analyzers.Error
		f.Summary = fmt.Sprintf("Node %s is short of %s since %s: it evicts pods and takes no new ones", n.Name, k.what, clock(p.Now(), c.LastTransitionTime.Time))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(evicted[0]).String(), Path: "status.message", Quote: analyzers.QuoteHead(evicted[0].Status.Message)})
		if strings.Contains(evicted[0].Status.Message, "inodes") {
			f.Summary = fmt.Sprintf("Node %s is out of inodes since %s: it evicts pods and takes no new ones", n.Name, clock(p.Now(), c.LastTransitionTime.Time))
		}
	}
	if ev, ok := p.LastEvent(n.Node, nil, "EvictionThresholdMet", "FreeDiskSpaceFailed", "SystemOOM"); ok && p.Since(cluster.EventTime(ev)) < recentEviction {
		f.Evidence = append(f.Evidence, analyzers.EventEvidence(n.ref, ev))
	}
	switch k.condition {
	case corev1.NodeDiskPressure:
		f.Fixes = append(f.Fixes, onHost("Show what fills the disk", n, "du", "-xhd1", "/var/lib", "/var/log"))
	case corev1.NodeMemoryPressure:
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show the pods of the node that use the most memory", Argv: p.Kubectl("", "top", "pods", "--all-namespaces", "--sort-by=memory", "--field-selector", "spec.nodeName="+n.Name)})
	}
	return f
}

// evictedFrom are pods that the node has evicted for this since it is under pressure
// (pkg/kubelet/eviction/eviction_manager.go, evictPod; the message begins with "The node
// was low on resource: ").
func evictedFrom(p *analyzers.Pass, n *node, k pressure, c *corev1.NodeCondition) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range p.PodsOn(n.Name) {
		if pod.Status.Phase != corev1.PodFailed || pod.Status.Reason != "Evicted" || !slices.ContainsFunc(k.resources, func(r string) bool { return strings.Contains(pod.Status.Message, r) }) {
			continue
		}
		at := c.LastTransitionTime.Time
		if d := cluster.PodCondition(pod, corev1.DisruptionTarget); d != nil {
			at = d.LastTransitionTime.Time
		}
		if p.Since(at) < recentEviction || at.After(c.LastTransitionTime.Time) {
			out = append(out, pod)
		}
	}
	return out
}

// stillGoing is how long ago an event may be that happens again and again: images are
// collected every 5 minutes (pkg/kubelet/kubelet.go, ImageGCPeriod).
const stillGoing = 11 * time.Minute

// reportEarly is about a node that is not under pressure yet.
func reportEarly(p *analyzers.Pass, n *node, under map[string]bool) {
	ev, ok := p.LastEvent(n.Node, nil, "FreeDiskSpaceFailed")
	if ok && !under[diskFull.ID] && p.Since(cluster.EventTime(ev)) < stillGoing {
		p.Report(analyzers.Finding{
			Code: diskFull, Severity: analyzers.Warning, Subject: n.ref,
			Summary:  fmt.Sprintf("Disk of node %s is nearly full, and deleting unused images frees too little", n.Name),
			Evidence: []analyzers.Evidence{analyzers.EventEvidence(n.ref, ev)},
			Fixes:    []analyzers.Fix{onHost("Show what fills the disk", n, "du", "-xhd1", "/var/lib", "/var/log"), describe(p, n)},
		})
	}
	// The kubelet's watcher writes SystemOOM only when no container's limit is behind the
	// kill (pkg/kubelet/oom/oom_watcher_linux.go).
	ev, ok = p.LastEvent(n.Node, nil, "SystemOOM")
	if ok && !under[memoryFull.ID] && p.Since(cluster.EventTime(ev)) < recentEviction/2 {
		victim := ""
		if _, rest, ok := strings.Cut(ev.Message, "victim process: "); ok {
			victim, _, _ = strings.Cut(rest, ",")
			victim = " " + victim
		}
		p.Report(analyzers.Finding{
			Code: memoryFull, Severity: analyzers.Warning, Subject: n.ref,
			Summary:  analyzers.Line(fmt.Sprintf("Node %s as a whole ran out of memory at %s: the kernel killed process%s", n.Name, clock(p.Now(), cluster.EventTime(ev)), victim), analyzers.MaxSummary),
			Evidence: []analyzers.Evidence{analyzers.EventEvidence(n.ref, ev)},
			Fixes:    []analyzers.Fix{{Why: "Show how far the limits of its pods go beyond what the node has", Argv: p.Kubectl("", "describe", "node", n.Name)}},
		})
	}
}
