package nodes

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Silent finds nodes whose kubelet does not report any more.
var Silent = &analyzers.Analyzer{
	Name: "nodes/silent",
	Doc: `nodes whose kubelet does not report any more, or never has

The machine is off, hangs, has lost its network, or its kubelet does not run: the API
tells these apart only where the node announced its shutdown. Nodes that fell silent
together are one finding. An empty node that is cordoned or about to be deleted is a note.`,
	Needs: append(slices.Clone(nodeKinds), cluster.Events),
	Emits: []analyzers.Code{stopped, joinFailed, shutDown},
	Run: func(p *analyzers.Pass) error {
		var silent []*node
		for _, n := range nodesOf(p.Snapshot) {
			switch {
			case neverReported(n):
				if p.Since(n.CreationTimestamp.Time) > joining {
					p.Report(neverFinding(p, n))
				}
			case isSilent(p.Snapshot, n):
				silent = append(silent, n)
			}
		}
		same := together(p.Snapshot, silent)
		for _, n := range silent {
			f := silentFinding(p, n)
			if f.Code == stopped {
				same.share(p, n, &f)
			}
			p.Report(f)
		}
		return nil
	},
}

const (
	// staleLease is far beyond the grace of the node controller. Leases carry the node's own
	// time: a clock that is some minutes slow makes no silent node.
	staleLease = 15 * time.Minute
	// freshLease is a lease that a living kubelet has.
	freshLease = 40 * time.Second
)

// neverReported is a Node that something other than its kubelet has made, and that is
// still as it was (k8s.io/kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go:
// "Kubelet never posted node status.").
func neverReported(n *node) bool {
	return n.ready != nil && n.ready.Reason == "NodeStatusNeverUpdated"
}

func isSilent(s *cluster.Snapshot, n *node) bool {
	renewed := n.lease != nil && n.lease.Spec.RenewTime != nil
	if n.ready != nil && n.ready.Status == corev1.ConditionUnknown {
		// A lease that is renewed again: the kubelet is back, and its status is about to come.
		back := renewed && n.lease.Spec.RenewTime.After(n.ready.LastTransitionTime.Time) && s.Since(n.lease.Spec.RenewTime.Time) < freshLease
		return !back
	}
	// The node controller does not do its work, or it would say so itself. A clock that
	// differs from the nodes' would age all leases alike.
	return n.isReady() && renewed && newestLease(s).Sub(n.lease.Spec.RenewTime.Time) > staleLease
}

// newestLease is when any node was last heard of.
func newestLease(s *cluster.Snapshot) time.Time {
	return cluster.Derive(s, "nodes.lease", func() time.Time {
		var newest time.Time
		for _, n := range nodesOf(s) {
			if n.lease != nil && n.lease.Spec.RenewTime != nil && n.lease.Spec.RenewTime.After(newest) {
				newest = n.lease.Spec.RenewTime.Time
			}
		}
		return newest
	})
}

func silentFinding(p *analyzers.Pass, n *node) analyzers.Finding {
	f := analyzers.Finding{
		Code: stopped, Severity: n.severity(), Subject: n.ref, Affected: n.affected(),
		Summary:  fmt.Sprintf("Node %s does not report any more: its kubelet was last heard of at %s, %s ago", n.Name, clock(p.Now(), n.seen), ago(p.Since(n.seen))),
		Evidence: n.statusEvidence(),
		Fixes:    []analyzers.Fix{describe(p, n), onHost("If the machine answers, show why its kubelet does not", n, "journalctl", "-u", "kubelet", "-n", "100", "--no-pager")},
	}
	if n.isReady() {
		f.Summary = fmt.Sprintf("Node %s still counts as ready, but its kubelet was last heard of at %s, %s ago", n.Name, clock(p.Now(), n.seen), ago(p.Since(n.seen)))
	}
	if n.lease != nil && n.lease.Spec.RenewTime != nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(n.lease).String(), Path: "spec.renewTime", Quote: "renewTime: " + n.lease.Spec.RenewTime.UTC().Format(time.RFC3339), At: n.lease.Spec.RenewTime.Time})
	}
	if ev, ok := lastWord(p, n); ok {
		f.Evidence = append(f.Evidence, analyzers.EventEvidence(n.ref, ev))
		switch ev.Reason {
		case "Shutdown":
			f.Code, f.Summary = shutDown, fmt.Sprintf("Node %s was shut down at %s and has not come back", n.Name, clock(p.Now(), cluster.EventTime(ev)))
			f.Fixes = []analyzers.Fix{{Why: "If the machine is gone for good, delete its Node, so that its pods are made anew elsewhere", Argv: p.Kubectl("", "delete", "node", n.Name)}, describe(p, n)}
		case "SystemOOM":
			f.Summary = fmt.Sprintf("Node %s fell silent at %s, after it had run out of memory", n.Name, clock(p.Now(), n.seen))
		}
	}
	if stuck := held(p, n); stuck != nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(stuck).String(), Path: "metadata.deletionTimestamp", Quote: "is being deleted, and only its node's kubelet can confirm its end", At: stuck.DeletionTimestamp.Time})
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  "Only if the machine is surely off: let its pods and volumes move to other nodes",
			Argv: p.Kubectl("", "taint", "node", n.Name, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"),
		})
	}
	return f
}

// lastWord is an event shortly before the node fell silent that tells why. Shutdown is the
// kubelet's (pkg/kubelet/nodeshutdown), SystemOOM its watcher's (pkg/kubelet/oom).
func lastWord(p *analyzers.Pass, n *node) (*corev1.Event, bool) {
	ev, ok := p.LastEvent(n.Node, nil, "Shutdown", "SystemOOM", "Rebooted", "Starting")
	if !ok || ev.Reason != "Shutdown" && ev.Reason != "SystemOOM" {
		return nil, false
	}
	before := n.seen.Sub(cluster.EventTime(ev))
	return ev, before < 10*time.Minute && before > -10*time.Minute
}

// held is a pod whose place is not filled while the node does not confirm its end: a
// StatefulSet never has two pods of one name (kubernetes.io/docs/concepts/cluster-administration/node-shutdown).
func held(p *analyzers.Pass, n *node) *corev1.Pod {
	for _, pod := range n.work {
		if ref, _, ok := p.Owner(pod); ok && ref.Kind == "StatefulSet" && pod.DeletionTimestamp != nil && p.Since(pod.DeletionTimestamp.Time) > settling {
			return pod
		}
	}
	return nil
}

func neverFinding(p *analyzers.Pass, n *node) analyzers.Finding {
	return analyzers.Finding{
		Code: joinFailed, Severity: n.severity(), Subject: n.ref, Affected: n.affected(),
		Summary:  fmt.Sprintf("Node %s was registered %s ago, but its kubelet has never reported a status", n.Name, ago(p.Since(n.CreationTimestamp.Time))),
		Evidence: n.statusEvidence(),
		Fixes:    []analyzers.Fix{onHost("Show on the machine why its kubelet does not get through", n, "journalctl", "-u", "kubelet", "-n", "100", "--no-pager"), describe(p, n)},
	}
}

// clock is a time of day, with the day where it is not today or last night.
func clock(now, t time.Time) string {
	if now.Sub(t) > 20*time.Hour {
		return t.UTC().Format("2 Jan 15:04 UTC")
	}
	return t.UTC().Format("15:04 UTC")
}
