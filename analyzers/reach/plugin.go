package reach

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A Network is the network plugin of a cluster, as far as its DaemonSets tell.
type Network struct {
	Name string      // "" when none was recognised
	Ref  cluster.Ref // its DaemonSet
	// enforces says whether it applies network policies. Rejects says that it answers
	// what it does not let through, so that clients see a refusal and not a silence.
	enforces truth
	Rejects  bool
	blocks   truth // whether an ipBlock applies to the addresses of pods
}

// Enforced reports whether policies are known to be applied.
func (n Network) Enforced() bool { return n.enforces == yes }

// NotEnforced reports whether policies are known to be without effect. Like Enforced it is
// false when that cannot be seen.
func (n Network) NotEnforced() bool { return n.enforces == no }

// plugins are recognised by the name of their DaemonSet, as their own manifests and charts
// have it. Those that apply policies come first: flannel may stand beside one of them.
var plugins = []struct {
	name       string
	daemonSets []string
	rejects    bool
	blocks     truth
}{
	{"Cilium", []string{"cilium", "anetd"}, false, no},
	{"Calico", []string{"calico-node", "canal", "rke2-canal"}, false, yes},
	{"Antrea", []string{"antrea-agent"}, false, yes},
	{"OVN-Kubernetes", []string{"ovnkube-node", "ovnkube-node-single-node-zone"}, false, yes},
	{"kube-ovn", []string{"kube-ovn-cni"}, false, yes},
	// It ends its chains with REJECT (cloudnativelabs/kube-router pkg/controllers/netpol/pod.go).
	{"kube-router", []string{"kube-router"}, true, yes},
	{"kindnet", []string{"kindnet", "kube-network-policies"}, false, yes},
	{"Weave Net", []string{"weave-net"}, false, yes},
	{"Azure NPM", []string{"azure-npm"}, false, yes},
	{"Romana", []string{"romana-agent"}, false, yes},
}

// maybes may apply policies, depending on settings that are not in the API.
var maybes = []string{"aws-node", "kube-multus-ds", "multus"}

// Plugin recognises the network plugin.
func Plugin(s *cluster.Snapshot) Network {
	return cluster.Derive(s, "reach.plugin", func() Network { return plugin(s) })
}

func plugin(s *cluster.Snapshot) Network {
	// k3s has kube-router's policy controller built in (k3s-io/k3s pkg/agent/netpol).
	if strings.Contains(s.Info().Version, "+k3s") {
		return Network{Name: "k3s", Rejects: true, enforces: unknown, blocks: yes}
	}
	var flannel *appsv1.DaemonSet
	open := false
	for ds := range cluster.All[*appsv1.DaemonSet](s) {
		for _, p := range plugins {
			if slices.Contains(p.daemonSets, ds.Name) {
				return Network{Name: p.name, Ref: cluster.RefOf(ds), enforces: yes, Rejects: p.rejects, blocks: p.blocks}
			}
		}
		if ds.Name == "kube-flannel-ds" || ds.Name == "kube-flannel" {
			flannel = ds
		}
		open = open || slices.Contains(maybes, ds.Name) || enforcer(&ds.Spec.Template.Spec)
	}
	switch {
	case flannel == nil:
		return Network{enforces: unknown, blocks: unknown}
	// Another plugin may be in a namespace that was not read, or run as something else.
	case open || !s.Sees(cluster.DaemonSets, "") || custom(s):
		return Network{Name: "flannel", Ref: cluster.RefOf(flannel), enforces: unknown, blocks: unknown}
	}
	return Network{Name: "flannel", Ref: cluster.RefOf(flannel), enforces: no, blocks: unknown}
}

// enforcer reports whether a pod has a container that applies policies beside the plugin,
// as flannel's chart can add (flannel-io/flannel chart/kube-flannel, netpol.enabled).
func enforcer(spec *corev1.PodSpec) bool {
	return slices.ContainsFunc(cluster.Containers(spec), func(c corev1.Container) bool {
		return slices.ContainsFunc([]string{"kube-network-policies", "netpol", "network-polic", "calico", "cilium", "kube-router"}, func(word string) bool {
			return strings.Contains(c.Image, word)
		})
	})
}

// custom reports whether the cluster has the policies of another plugin.
func custom(s *cluster.Snapshot) bool {
	for _, f := range foreigners {
		for range cluster.Of(s, f.kind) {
			return true
		}
	}
	return false
}
