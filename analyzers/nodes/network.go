package nodes

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoNetwork finds nodes whose runtime or cloud has no network for pods.
var NoNetwork = &analyzers.Analyzer{
	Name: "nodes/no-network",
	Doc: `nodes on which no pod network is set up

The runtime finds no CNI configuration, or a route or agent is missing (condition
NetworkUnavailable). Where the network's DaemonSet can be seen, it is named.`,
	Needs: append(slices.Clone(nodeKinds), cluster.DaemonSets),
	Emits: []analyzers.Code{noNetwork},
	Run: func(p *analyzers.Pass) error {
		for _, n := range nodesOf(p.Snapshot) {
			unavailable := condition(n.Node, corev1.NodeNetworkUnavailable)
			switch {
			case n.saysNotReady(p.Snapshot) && networkWords(n.ready.Message):
				p.Report(networkFinding(p, n, n.ready, "its runtime finds no CNI configuration"))
			// Route controllers and network agents set this one; a new node has it until they have come
			// by (k8s.io/cloud-provider controllers/route/route_controller.go).
			case n.isReady() && unavailable != nil && unavailable.Status == corev1.ConditionTrue && p.Since(unavailable.LastTransitionTime.Time) > joining:
				p.Report(networkFinding(p, n, unavailable, "it says NetworkUnavailable ("+unavailable.Reason+")"))
			}
		}
		return nil
	},
}

// networkWords is what the kubelet says when the runtime reports NetworkReady=false
// (k8s.io/kubernetes pkg/kubelet/kubelet.go, updateRuntimeUp: "container runtime network
// not ready"). It says so too while it does not know yet, after a restart
// (pkg/kubelet/errors.go, ErrNetworkUnknown).
func networkWords(message string) bool {
	return strings.Contains(message, "container runtime network not ready") && !runtimeWords(message)
}

func networkFinding(p *analyzers.Pass, n *node, c *corev1.NodeCondition, why string) analyzers.Finding {
	f := analyzers.Finding{
		Code: noNetwork, Severity: n.severity(), Subject: n.ref, Affected: n.affected(),
		Summary:  fmt.Sprintf("Node %s has no network for pods: %s", n.Name, why),
		Evidence: []analyzers.Evidence{n.conditionEvidence(c)},
		Fixes:    []analyzers.Fix{onHost("Show the network configurations that the runtime looks at", n, "ls", "-l", "/etc/cni/net.d", "/opt/cni/bin")},
	}
	if c.Reason == "NoRouteCreated" { // the cloud's own controller makes those
		f.Fixes = []analyzers.Fix{{Why: "Show what the cloud controller manager, which makes the routes, says of the node", Argv: p.Kubectl("", "get", "events", "--all-namespaces", "--field-selector", "involvedObject.name="+n.Name)}}
		return f
	}
	ds, pod := p.NetworkAgent(n.Name)
	if ds == nil {
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show whether a network add-on is installed", Argv: p.Kubectl("", "get", "daemonsets", "--all-namespaces")})
		return f
	}
	ref := cluster.RefOf(ds)
	status := analyzers.Fix{Why: "Show the pods of the network add-on, node by node", Argv: p.Kubectl(ds.Namespace, "get", "pods", "-o", "wide", "-l", labelsText(ds))}
	f.Fixes = append([]analyzers.Fix{status}, f.Fixes...)
	agent := ""
	if pod != nil {
		_, agent = p.Unready(pod)
	}
	switch {
	case agent != "":
		f.Summary = fmt.Sprintf("Node %s has no network for pods: %s in the network add-on's DaemonSet %s", n.Name, agent, ds.Name)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status", Quote: agent})
	case pod == nil && p.Sees(cluster.Pods, ds.Namespace):
		f.Summary = fmt.Sprintf("Node %s has no network for pods: there is no pod of the network add-on %s on it", n.Name, ds.Name)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: "status.currentNumberScheduled", Quote: fmt.Sprintf("currentNumberScheduled: %d of %d", ds.Status.CurrentNumberScheduled, ds.Status.DesiredNumberScheduled)})
	default:
		return f // its pod there is well, and that it fails elsewhere explains nothing here
	}
	f.CausedBy = []analyzers.Ref{ref}
	f.Shared = fmt.Sprintf("DaemonSet %s/%s does not set up the pod network on its nodes", ds.Namespace, ds.Name)
	return f
}

// labelsText is a DaemonSet's selector as kubectl takes it.
func labelsText(ds *appsv1.DaemonSet) string {
	if ds.Spec.Selector == nil {
		return ""
	}
	var out []string
	for k, v := range ds.Spec.Selector.MatchLabels {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
