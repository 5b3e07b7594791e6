package nodes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unreached finds kubelets that report, and that the API server cannot reach.
var Unreached = &analyzers.Analyzer{
	Name: "nodes/unreached",
	Doc: `kubelets that report, and that the API server does not reach

Then kubectl logs, exec and port-forward fail for every pod of the node, and so does what
reads its metrics. It shows in logs that could not be read; that a node which does not
report is not reached either is no news.`,
	Needs: slices.Clone(nodeKinds),
	Emits: []analyzers.Code{unreachable},
	Run: func(p *analyzers.Pass) error {
		for _, n := range nodesOf(p.Snapshot) {
			// A kubelet that hangs is still ready for 50 s.
			if why := refusedLog(p.Snapshot, n, unreachedWords); why.Why != "" && n.isReady() && !overdue(p.Snapshot, n) {
				p.Report(unreachedFinding(p, n, why))
			}
		}
		return nil
	},
}

// unreachedWords are those of the API server that dials a kubelet; when its answer does not
// come in time, the collector says that the node does not answer
// (k8s.io/kubernetes pkg/kubelet/client, net/http, k8s.io/apiserver
// pkg/server/egressselector: konnectivity has no agent for the node).
var unreachedWords = regexp.MustCompile(`(?::10250|/containerLogs/).*(?:i/o timeout|no route to host|connection refused|TLS handshake timeout|network is unreachable|context deadline exceeded|EOF|connection reset)` +
	`|^node \S+ does not answer$|error dialing backend|No agent available|no preferred addresses found|proxy error from`)

// overdue reports whether the kubelet has missed several renewals of its lease.
func overdue(s *cluster.Snapshot, n *node) bool {
	return n.lease != nil && newestLease(s).Sub(n.seen) > freshLease/2
}

// refusedLog is a log of one of the node's pods that could not be read, for a reason that
// is the node's.
func refusedLog(s *cluster.Snapshot, n *node, words *regexp.Regexp) cluster.Log {
	return refusedLogs(s, n.Name, words)
}

// refusedLogs are kept by node: there are few.
func refusedLogs(s *cluster.Snapshot, name string, words *regexp.Regexp) cluster.Log {
	byNode := cluster.Derive(s, "nodes.logs", func() map[string][]cluster.Log {
		byPod := map[[2]string][]cluster.Log{}
		for _, l := range s.Logs() {
			if l.Why != "" && l.Text == "" {
				key := [2]string{l.Namespace, l.Pod}
				byPod[key] = append(byPod[key], l)
			}
		}
		out := map[string][]cluster.Log{}
		if len(byPod) == 0 {
			return out
		}
		for _, n := range nodesOf(s) {
			for _, pod := range s.PodsOn(n.Name) {
				out[n.Name] = append(out[n.Name], byPod[[2]string{pod.Namespace, pod.Name}]...)
			}
		}
		return out
	})
	for _, l := range byNode[name] {
		if words.MatchString(l.Why) {
			return l
		}
	}
	return cluster.Log{}
}

func logEvidence(l cluster.Log) analyzers.Evidence {
	return analyzers.Evidence{Source: fmt.Sprintf("Log of Pod %s/%s container %s", l.Namespace, l.Pod, l.Container), Path: "why it could not be read", Quote: analyzers.Quote(l.Why)}
}

func unreachedFinding(p *analyzers.Pass, n *node, l cluster.Log) analyzers.Finding {
	why, summary := l.Why, fmt.Sprintf("API server does not reach the kubelet of node %s on port 10250, though it reports", n.Name)
	switch {
	case strings.Contains(why, "No agent available"), strings.Contains(why, "proxy error from"):
		summary = fmt.Sprintf("API server does not reach the kubelet of node %s: its tunnel has no agent there", n.Name)
	case strings.Contains(why, "no preferred addresses found"):
		summary = fmt.Sprintf("API server does not reach the kubelet of node %s: the node has no address of a type that it uses", n.Name)
	case strings.Contains(why, "connection refused"):
		summary = fmt.Sprintf("API server does not reach the kubelet of node %s: port 10250 refuses the connection", n.Name)
	}
	return analyzers.Finding{
		Code: unreachable, Severity: analyzers.Warning, Subject: n.ref, Summary: summary,
		Evidence: append([]analyzers.Evidence{logEvidence(l)}, n.statusEvidence()...),
		Fixes:    []analyzers.Fix{{Why: "Show the addresses of the nodes; TCP port 10250 must be open from the control plane to each", Argv: p.Kubectl("", "get", "nodes", "-o", "wide")}},
		CausedBy: []analyzers.Ref{{Kind: "Cluster", Name: contextName(p.Snapshot)}},
		Shared:   "API server does not reach kubelets that report: port 10250 or its tunnel is closed",
	}
}
