package sandbox

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Handler finds pods whose RuntimeClass names a handler that the runtime of their node
// does not have.
var Handler = &analyzers.Analyzer{
	Name:  "sandbox/handler",
	Doc:   "pods whose RuntimeClass names a handler that their node's runtime does not have",
	Needs: append(slices.Clone(failureKinds), cluster.RuntimeClasses),
	Emits: []analyzers.Code{noHandler},
	Run: func(p *analyzers.Pass) error {
		each(p, byHandler, func(f failure) analyzers.Finding { return handlerFinding(p, f) })
		return nil
	},
}

var handlerWords = regexp.MustCompile(`no runtime for "([^"]*)" is configured|failed to find runtime handler (\S+)`)

func handlerFinding(p *analyzers.Pass, f failure) analyzers.Finding {
	m := handlerWords.FindStringSubmatch(f.text)
	handler := m[1] + m[2]
	found := analyzers.Finding{
		Code: noHandler, Subject: p.Root(f.pod),
		Summary: fmt.Sprintf("Runtime of node %s has no handler %q", f.pod.Spec.NodeName, handler),
	}
	if f.pod.Spec.RuntimeClassName != nil {
		name := *f.pod.Spec.RuntimeClassName
		found.Summary = fmt.Sprintf("RuntimeClass %s wants the handler %s, which the runtime of node %s does not have", name, handler, f.pod.Spec.NodeName)
		ref := analyzers.Ref{APIVersion: "node.k8s.io/v1", Kind: "RuntimeClass", Name: name}
		found.CausedBy = []analyzers.Ref{ref}
		found.Shared = fmt.Sprintf("RuntimeClass %s wants the handler %s, which nodes do not have", name, handler)
		if rc, ok := cluster.Find[*nodev1.RuntimeClass](p.Snapshot, "", name); ok {
			found.Evidence = append(found.Evidence, analyzers.Evidence{Source: ref.String(), Path: "handler", Quote: "handler: " + rc.Handler})
		}
	}
	if n, ok := cluster.Find[*corev1.Node](p.Snapshot, "", f.pod.Spec.NodeName); ok {
		if have := handlers(n); len(have) > 0 {
			found.Evidence = append(found.Evidence, analyzers.Evidence{Source: cluster.RefOf(n).String(), Path: "status.runtimeHandlers", Quote: "runtimeHandlers: " + strings.Join(have, ", ")})
			if near, ok := analyzers.Nearest(handler, have); ok {
				found.Summary += "; " + near + " was probably meant"
			}
		}
	}
	found.Summary = analyzers.Line(found.Summary, analyzers.MaxSummary)
	found.Fixes = []analyzers.Fix{
		{Why: "Show the handlers that each node has; restrict the RuntimeClass to those nodes with scheduling.nodeSelector", Argv: p.Kubectl("", "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}{": "}{.status.runtimeHandlers[*].name}{"\n"}{end}`)},
		onHost("Or configure the handler in the runtime of the node", f.pod.Spec.NodeName, "containerd", "config", "dump"),
	}
	return found
}

// handlers are those that the node's runtime has told the kubelet of (since 1.30).
func handlers(n *corev1.Node) []string {
	var out []string
	for _, h := range n.Status.RuntimeHandlers {
		if h.Name != "" { // the default one
			out = append(out, h.Name)
		}
	}
	return out
}
