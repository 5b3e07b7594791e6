package nodes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
)

// RuntimeDown finds nodes whose kubelet is at work and gets no answer from the container
// runtime.
var RuntimeDown = &analyzers.Analyzer{
	Name:  "nodes/runtime-down",
	Doc:   "nodes whose container runtime does not answer its kubelet",
	Needs: slices.Clone(nodeKinds),
	Emits: []analyzers.Code{runtimeDown},
	Run: func(p *analyzers.Pass) error {
		for _, n := range nodesOf(p.Snapshot) {
			if n.saysNotReady(p.Snapshot) && runtimeWords(n.ready.Message) {
				p.Report(runtimeFinding(p, n))
			}
		}
		return nil
	},
}

// runtimeWords is what the kubelet says of a runtime that is silent, too slow or not well
// (k8s.io/kubernetes pkg/kubelet/runtime.go, runtimeErrors; pkg/kubelet/pleg/generic.go,
// Healthy; pkg/kubelet/kubelet.go, updateRuntimeUp).
func runtimeWords(message string) bool {
	return slices.ContainsFunc([]string{"container runtime is down", "PLEG is not healthy", "container runtime not ready", "container runtime status check may not have completed yet"},
		func(words string) bool { return strings.Contains(message, words) })
}

func runtimeFinding(p *analyzers.Pass, n *node) analyzers.Finding {
	runtime := n.Status.NodeInfo.ContainerRuntimeVersion
	name, _, _ := strings.Cut(runtime, "://")
	if name == "" {
		name = "containerd"
	}
	why := "does not answer the kubelet"
	switch m := n.ready.Message; {
	case strings.Contains(m, "container runtime not ready"):
		why = "says that it is not ready"
	case strings.Contains(m, "PLEG is not healthy") && !strings.Contains(m, "container runtime is down"):
		why = "answers the kubelet too slowly (PLEG is not healthy)"
	}
	evidence := n.statusEvidence()
	if runtime != "" {
		evidence = append(evidence, analyzers.Evidence{Source: n.ref.String(), Path: "status.nodeInfo.containerRuntimeVersion", Quote: runtime})
	}
	return analyzers.Finding{
		Code: runtimeDown, Severity: n.severity(), Subject: n.ref, Affected: n.affected(),
		Summary:  fmt.Sprintf("Node %s is not ready: its container runtime %s %s", n.Name, name, why),
		Evidence: evidence,
		Fixes: []analyzers.Fix{
			onHost("Show what the runtime says", n, "journalctl", "-u", name, "-n", "100", "--no-pager"),
			onHost("Restart the runtime; running containers stay", n, "systemctl", "restart", name),
			describe(p, n),
		},
	}
}
