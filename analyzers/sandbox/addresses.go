package sandbox

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Addresses finds nodes that have no IP address left for a new pod.
var Addresses = &analyzers.Analyzer{
	Name: "sandbox/addresses",
	Doc: `nodes without a free IP address for a new pod

It compares the range with the pods that have an address: when there are far fewer, the
addresses of pods that are gone were never given back.`,
	Needs: slices.Clone(failureKinds),
	Emits: []analyzers.Code{noAddress},
	Run: func(p *analyzers.Pass) error {
		each(p, byAddress, func(f failure) analyzers.Finding { return addressFinding(p, f) })
		return nil
	},
}

var rangeWords = regexp.MustCompile(`in range set: ([0-9a-fA-F.:]+)-([0-9a-fA-F.:]+)`)

func addressFinding(p *analyzers.Pass, f failure) analyzers.Finding {
	node := f.pod.Spec.NodeName
	plugin := "network"
	if m := pluginWords.FindStringSubmatch(f.text); m != nil {
		plugin = m[1]
	}
	found := analyzers.Finding{
		Code:    noAddress,
		Summary: fmt.Sprintf("Node %s has no IP address left for new pods: %s", node, cmp.Or(pool[plugin], "its address pool is used up")),
		// The pools of these plugins are shared by nodes; a range of host-local is the node's own.
		CausedBy: []analyzers.Ref{{Kind: "Network", Name: plugin}}, Shared: "No IP address is left for new pods: the nodes share an address pool that is used up",
		Fixes: []analyzers.Fix{{Why: "Move pods to other nodes until addresses are free: no new pod comes to this one", Argv: p.Kubectl("", "cordon", node)}},
	}
	m := rangeWords.FindStringSubmatch(f.text)
	if m == nil {
		return found
	}
	found.CausedBy, found.Shared = nil, ""
	found.Summary = fmt.Sprintf("Node %s has no IP address left for new pods: its range %s to %s is used up", node, m[1], m[2])
	if n, ok := cluster.Find[*corev1.Node](p.Snapshot, "", node); ok && n.Spec.PodCIDR != "" {
		found.Evidence = append(found.Evidence, analyzers.Evidence{Source: cluster.RefOf(n).String(), Path: "spec.podCIDR", Quote: "podCIDR: " + n.Spec.PodCIDR})
	}
	size, used := rangeSize(m[1], m[2]), holders(p.Snapshot, node, m[1], m[2])
	if size == 0 || !p.Sees(cluster.Pods, "") {
		return found
	}
	found.Evidence = append(found.Evidence, analyzers.Evidence{Source: nodeRef(node).String(), Path: "pods with an address of the range", Quote: fmt.Sprintf("%d of %d", used, size)})
	// One address is the gateway's, and pods that are just leaving have theirs still.
	if size > 8 && used < size/2 {
		found.Summary = fmt.Sprintf("Node %s has no IP address left for new pods, though its pods have only %d of %d: others were never given back", node, used, size)
		found.Fixes = []analyzers.Fix{
			onHost("Show the reserved addresses; those whose container is gone can be deleted while the node is drained", node, "ls", "-l", "/var/lib/cni/networks"),
			{Why: "Drain the node first", Argv: p.Kubectl("", "drain", node, "--ignore-daemonsets")},
		}
	}
	return found
}

// pool is where a plugin takes addresses from.
var pool = map[string]string{
	"aws-cni": "its subnet or its network interfaces have none", "azure-vnet": "its subnet has none", "calico": "the IP pool has no free block",
	"cilium-cni": "the agent's range is used up",
}

// rangeSize is the number of addresses of a range, 0 when it is none or has too many to count.
func rangeSize(from, to string) int {
	a, errA := netip.ParseAddr(from)
	b, errB := netip.ParseAddr(to)
	if errA != nil || errB != nil || !a.Is4() || !b.Is4() {
		return 0
	}
	first, last := a.As4(), b.As4()
	return max(0, int(binary.BigEndian.Uint32(last[:]))-int(binary.BigEndian.Uint32(first[:]))+1)
}

// holders are the pods of the node that have an address of the range, being deleted or not.
func holders(s *cluster.Snapshot, node, from, to string) int {
	a, _ := netip.ParseAddr(from)
	b, _ := netip.ParseAddr(to)
	n := 0
	for _, pod := range s.PodsOn(node) {
		ip, err := netip.ParseAddr(pod.Status.PodIP)
		if err == nil && !cluster.PodFinished(pod) && ip.Compare(a) >= 0 && ip.Compare(b) <= 0 {
			n++
		}
	}
	return n
}
