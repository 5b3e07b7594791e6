package scheduling

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// portFinding says who holds the host port.
func (q *inquiry) portFinding() analyzers.Finding {
	names := q.v.nodes()
	use := q.v.rows[0].of(byPort)[0].ports[0]
	holder := q.Root(use.by)
	where := fmt.Sprintf("on node %s, the only one that fits otherwise", names[0])
	if len(names) > 1 {
		where = fmt.Sprintf("on all %d nodes that fit otherwise", len(names))
	} else if len(q.e.Rows) == 1 {
		where = fmt.Sprintf("on the only node, %s", names[0])
	}
	f := analyzers.Finding{
		Code:    hostPortConflict,
		Summary: fmt.Sprintf("Host port %s is taken %s, by %s", use, where, holder),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(use.by).String(), Path: "spec.containers[*].ports[*].hostPort", Quote: fmt.Sprintf("hostPort: %s, on node %s", use, names[0])},
			{Source: cluster.RefOf(q.pod).String(), Path: "spec.containers[*].ports", Quote: "hostPort: " + use.String()},
		},
	}
	if holder == q.root {
		f.Summary = fmt.Sprintf("Host port %s is taken %s, by another pod of the same %s", use, where, q.root.Kind)
	}
	f.Evidence = append(f.Evidence, q.elsewhere(names)...)
	f.Fixes = q.portFixes(use, holder, len(names))
	return f
}

// portFixes give the pod a place beside the holder of its host port, on one of so many
// nodes.
func (q *inquiry) portFixes(use portUse, holder analyzers.Ref, nodes int) []analyzers.Fix {
	var out []analyzers.Fix
	if fix, ok := q.dropHostPort(use.hostPort); ok {
		out = append(out, fix)
	}
	if n, ok := q.replicas(); ok && holder == q.root && int(n) > nodes {
		return append(out, analyzers.Fix{Why: "Run only as many replicas as there are nodes for the port",
			Argv: q.Kubectl(q.root.Namespace, "scale", q.root.Short(), fmt.Sprintf("--replicas=%d", nodes))})
	}
	return append(out, analyzers.Fix{Why: fmt.Sprintf("Move %s to another host port, or give the pod a Service instead of one", holder)})
}

func (q *inquiry) replicas() (int32, bool) {
	if q.owner == nil {
		return 0, false
	}
	return cluster.Replicas(q.owner)
}

// dropHostPort takes the host port off the container. With hostNetwork the port of the
// container is the host's, and cannot be taken off.
func (q *inquiry) dropHostPort(p hostPort) (analyzers.Fix, bool) {
	if q.pod.Spec.HostNetwork {
		return analyzers.Fix{}, false
	}
	for _, c := range q.template().Containers {
		i := slices.IndexFunc(c.Ports, func(x corev1.ContainerPort) bool { return x.HostPort == p.port })
		if i < 0 {
			continue
		}
		port := map[string]any{"containerPort": c.Ports[i].ContainerPort, "hostPort": nil}
		if c.Ports[i].Protocol != "" {
			port["protocol"] = c.Ports[i].Protocol
		}
		return q.change(fmt.Sprintf("Remove host port %d; a Service reaches the pod without it", p.port),
			map[string]any{"containers": []any{map[string]any{"name": c.Name, "ports": []any{port}}}}), true
	}
	return analyzers.Fix{}, false
}
