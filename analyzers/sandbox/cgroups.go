package sandbox

import (
	"fmt"
	"slices"

	"github.com/kubefathom/fathom/analyzers"
)

// Cgroups finds nodes where kubelet and runtime do not agree on who manages cgroups.
var Cgroups = &analyzers.Analyzer{
	Name: "sandbox/cgroups",
	Doc: `nodes where kubelet and runtime use different cgroup drivers

That shows at once where the runtime expects systemd's names. The other way round pods
start, and the node becomes unstable: nothing in the API tells.`,
	Needs: slices.Clone(failureKinds),
	Emits: []analyzers.Code{cgroupDriver},
	Run: func(p *analyzers.Pass) error {
		each(p, byCgroups, func(f failure) analyzers.Finding {
			node := f.pod.Spec.NodeName
			return analyzers.Finding{
				Code:     cgroupDriver,
				Summary:  fmt.Sprintf("Runtime of node %s uses systemd for cgroups and the kubelet does not, so no pod starts", node),
				CausedBy: []analyzers.Ref{{Kind: "Cluster", Name: "cgroup driver"}}, Shared: "Runtimes use systemd for cgroups and their kubelets do not, so no pod starts there",
				Fixes: []analyzers.Fix{
					onHost("Set cgroupDriver: systemd in the kubelet's configuration, and restart it", node, "grep", "-n", "cgroupDriver", "/var/lib/kubelet/config.yaml"),
					onHost("Or set SystemdCgroup = false in containerd's configuration", node, "grep", "-n", "SystemdCgroup", "/etc/containerd/config.toml"),
				},
			}
		})
		return nil
	},
}
