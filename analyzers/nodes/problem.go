package nodes

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Problem finds faults of machines that a monitor on them reports.
var Problem = &analyzers.Analyzer{
	Name: "nodes/problem",
	Doc: `faults of the machine that a monitor on it reports

Those of the node problem detector, of AKS and of the EKS node monitoring agent, by the
types of condition that they are known to write: of any other type nobody knows whether
True is good or bad.`,
	Needs: append(slices.Clone(nodeKinds), cluster.Events),
	Emits: []analyzers.Code{problem, conntrack},
	Run: func(p *analyzers.Pass) error {
		for _, n := range nodesOf(p.Snapshot) {
			// The last word of a monitor on a node that is silent is an old one.
			if n.ready == nil || n.ready.Status == corev1.ConditionUnknown {
				continue
			}
			for i := range n.Status.Conditions {
				if c := &n.Status.Conditions[i]; isProblem(c) && p.Since(c.LastTransitionTime.Time) > settling {
					p.Report(problemFinding(p, n, c))
				}
			}
			reportConntrack(p, n)
		}
		return nil
	},
}

// problems are conditions that are True when something is wrong: kubernetes/node-problem-detector
// config/*.json, learn.microsoft.com/azure/aks/node-problem-detector. The EKS node monitoring
// agent's are the other way round (docs.aws.amazon.com/eks/latest/userguide/node-health.html).
// Left out is VMEventScheduled, an announcement; and frequent restarts of the kubelet, which are
// another check's.
var (
	problems = map[corev1.NodeConditionType]string{
		"KernelDeadlock": "the kernel hangs", "ReadonlyFilesystem": "a file system has become read-only", "XfsShutdown": "a file system has shut down",
		"FilesystemCorruptionProblem": "a file system is damaged", "CperHardwareErrorFatal": "the hardware is broken", "CorruptDockerOverlay2": "the runtime's storage is damaged",
		"KubeletUnhealthy": "the kubelet does not answer", "KubeletProblem": "the kubelet does not answer", "ContainerRuntimeUnhealthy": "the container runtime does not answer",
		"ContainerRuntimeProblem": "the container runtime does not answer", "FrequentDockerRestart": "Docker restarts again and again",
		"FrequentContainerdRestart": "containerd restarts again and again", "FrequentUnregisterNetDevice": "network devices are not released", "NTPProblem": "the clock is not synchronised",
	}
	readiness = map[corev1.NodeConditionType]string{
		"KernelReady": "the kernel has a fault", "NetworkingReady": "its network has a fault", "StorageReady": "its storage has a fault",
		"ContainerRuntimeReady": "its container runtime has a fault", "AcceleratedHardwareReady": "its accelerators have a fault",
	}
)

func isProblem(c *corev1.NodeCondition) bool {
	return c.Status == corev1.ConditionTrue && problems[c.Type] != "" || c.Status == corev1.ConditionFalse && readiness[c.Type] != ""
}

func problemFinding(p *analyzers.Pass, n *node, c *corev1.NodeCondition) analyzers.Finding {
	text := problems[c.Type] + readiness[c.Type]
	f := analyzers.Finding{
		Code: problem, Subject: n.ref, Part: string(c.Type),
		Summary:  analyzers.Line(fmt.Sprintf("Node %s reports %s=%s: %s (%s)", n.Name, c.Type, c.Status, text, c.Reason), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{n.conditionEvidence(c)},
		Fixes: []analyzers.Fix{
			{Why: "Keep new pods away from the machine until it is repaired", Argv: p.Kubectl("", "cordon", n.Name)},
			describe(p, n),
		},
	}
	// While its pods are well the fault is a risk.
	if !slices.ContainsFunc(n.work, func(pod *corev1.Pod) bool { return !cluster.PodReady(pod) }) {
		f.Severity = analyzers.Warning
	}
	return f
}

// reportConntrack is about connections that the kernel drops, as monitors report it
// (node-problem-detector config/network-problem-monitor.json; the kernel's line is
// "nf_conntrack: table full, dropping packet").
func reportConntrack(p *analyzers.Pass, n *node) {
	full := func(ev *corev1.Event) bool {
		return ev.Reason == "ConntrackFull" || strings.Contains(ev.Message, "nf_conntrack: table full")
	}
	ev, ok := p.LastEvent(n.Node, full)
	if !ok || p.Since(cluster.EventTime(ev)) > stillGoing {
		return
	}
	p.Report(analyzers.Finding{
		Code: conntrack, Subject: n.ref,
		Summary:  fmt.Sprintf("Node %s drops new connections: its connection tracking table is full", n.Name),
		Evidence: []analyzers.Evidence{analyzers.EventEvidence(n.ref, ev)},
		Fixes: []analyzers.Fix{
			onHost("Show how full the table is", n, "sysctl", "net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max"),
			{Why: "Raise conntrack.maxPerCore in kube-proxy's configuration", Argv: p.Kubectl("kube-system", "edit", "configmap", "kube-proxy")},
		},
	})
}
