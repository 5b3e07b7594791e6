package nodes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
)

// Unready finds nodes that say that they are not ready, for a reason that is neither the
// network nor the runtime.
var Unready = &analyzers.Analyzer{
	Name:  "nodes/unready",
	Doc:   "nodes whose kubelet says that it cannot run pods, such as while it shuts down",
	Needs: slices.Clone(nodeKinds),
	Emits: []analyzers.Code{notReady, shutDown},
	Run: func(p *analyzers.Pass) error {
		for _, n := range nodesOf(p.Snapshot) {
			if !n.saysNotReady(p.Snapshot) || networkWords(n.ready.Message) || runtimeWords(n.ready.Message) {
				continue
			}
			f := analyzers.Finding{
				Code: notReady, Severity: n.severity(), Subject: n.ref, Affected: n.affected(),
				Summary:  analyzers.Line(fmt.Sprintf("Node %s says that it is not ready: %s", n.Name, said(n)), analyzers.MaxSummary),
				Evidence: n.statusEvidence(),
				Fixes:    []analyzers.Fix{describe(p, n), onHost("Show what its kubelet says", n, "journalctl", "-u", "kubelet", "-n", "100", "--no-pager")},
			}
			// k8s.io/kubernetes pkg/kubelet/nodeshutdown/nodeshutdown_manager_linux.go, ShutdownStatus.
			if strings.Contains(n.ready.Message, "node is shutting down") {
				f.Code, f.Summary = shutDown, fmt.Sprintf("Node %s is shutting down since %s and ends its pods", n.Name, clock(p.Now(), n.ready.LastTransitionTime.Time))
				f.Fixes = []analyzers.Fix{describe(p, n)}
			}
			p.Report(f)
		}
		return nil
	},
}

// said is the kubelet's message without the brackets of a list of errors.
func said(n *node) string {
	if m := strings.Trim(n.ready.Message, "[]"); m != "" {
		return m
	}
	return n.ready.Reason
}
