package crashes

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Killed reports exit code 137 that is no OOM kill and no probe's doing: something sent
// SIGKILL. What is known of it is said; exit code 137 alone is often taken for memory.
var Killed = &analyzers.Analyzer{
	Name:  "crashes/killed",
	Doc:   "containers that are killed with exit code 137, and not for their memory",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events, cluster.Nodes}, rbac...),
	Emits: []analyzers.Code{killed},
	Run: func(p *analyzers.Pass) error {
		each(p, killed, func(c crash) bool { return c.end.ExitCode == sigkill && c.end.Reason != "OOMKilled" && !c.init }, func(c crash, r reason) {
			who, proof := killer(p, c)
			f := c.finding(killed, fmt.Sprintf("%s is ended by SIGKILL (exit code 137) without being OOM-killed: %s", c.name(), who), proof...)
			if r.known() {
				f.Evidence = append(f.Evidence, r.evidence(c)...)
			}
			f.Fixes = []analyzers.Fix{
				c.readLog(p, "Show the last lines of the program's log, which may tell who sent the signal"),
				{Why: "Show the node's events, such as an OOM kill of one process or a restart of the runtime", Argv: p.Kubectl("", "describe", "node", nodeName(c.pod))},
			}
			p.Report(f)
		})
		return nil
	},
}

func nodeName(pod *corev1.Pod) string {
	if pod.Spec.NodeName == "" {
		return "<node>"
	}
	return pod.Spec.NodeName
}

// aroundKill is how far from a container's end an event may lie that explains it.
const aroundKill = 2 * time.Minute

// killer says who is known to have sent the signal.
func killer(p *analyzers.Pass, c crash) (string, []analyzers.Evidence) {
	end := c.end.FinishedAt.Time
	near := func(ev *corev1.Event) bool {
		d := cluster.EventTime(ev).Sub(end)
		return d < aroundKill && d > -aroundKill
	}
	quote := func(source string, ev *corev1.Event) []analyzers.Evidence {
		return []analyzers.Evidence{{Source: source, Path: ev.Reason, Quote: analyzers.QuoteHead(ev.Message), At: cluster.EventTime(ev)}}
	}
	// k8s.io/kubernetes pkg/kubelet/kubelet_pods.go and status/status_manager.go write
	// this end for a container that the runtime no longer knows.
	if c.end.Reason == "ContainerStatusUnknown" {
		return "the kubelet lost track of it, as after a restart of node " + nodeName(c.pod), []analyzers.Evidence{{Source: cluster.RefOf(c.pod).String(), Path: c.path() + ".reason", Quote: "reason: " + c.end.Reason, At: end}}
	}
	if node, ok := cluster.Find[*corev1.Node](p.Snapshot, "", c.pod.Spec.NodeName); ok {
		// k8s.io/kubernetes pkg/kubelet/oom/oom_watcher_linux.go.
		if ev, ok := p.LastEvent(node, near, "SystemOOM"); ok {
			return "node " + node.Name + " ran out of memory at that time", quote("Event on "+cluster.RefOf(node).String(), ev)
		}
	}
	// k8s.io/kubernetes pkg/kubelet/pod_workers.go; kuberuntime_container.go for "Stopping container".
	if ev, ok := p.LastEvent(c.pod, near, "ExceededGracePeriod"); ok {
		return "it did not end within its grace period", quote("Event on "+cluster.RefOf(c.pod).String(), ev)
	}
	if ev, ok := p.LastEvent(c.pod, func(ev *corev1.Event) bool { return near(ev) && strings.Contains(ev.Message, c.status.Name) }, "Killing"); ok {
		return "the kubelet stopped it and it ignored SIGTERM", quote("Event on "+cluster.RefOf(c.pod).String(), ev)
	}
	if !p.Sees(cluster.Events, c.pod.Namespace) && (c.container.LivenessProbe != nil || c.container.StartupProbe != nil) {
		return "by whom is not known, as events were not read; a failed probe ends so too", nil
	}
	return "no event says by whom, so it came from inside the container or the node", nil
}
