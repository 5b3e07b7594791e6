package cluster

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// networkAgents are the names that network add-ons give to the DaemonSet which sets up the
// pod network of each node.
var networkAgents = []string{
	"aws-node", "calico-node", "canal", "cilium", "flannel", "kube-flannel", "kube-flannel-ds", "kindnet", "weave-net", "kube-router",
	"antrea-agent", "ovnkube-node", "kube-ovn-cni", "azure-cni", "terway-eniip",
}

// NetworkAgent returns the DaemonSet of the pod network, and its pod on a node. Each is
// nil when the Snapshot does not hold it: clusters exist whose network has none.
func (s *Snapshot) NetworkAgent(node string) (*appsv1.DaemonSet, *corev1.Pod) {
	ds := Derive(s, "cluster.network-agent", func() *appsv1.DaemonSet {
		for ds := range All[*appsv1.DaemonSet](s) {
			if slices.Contains(networkAgents, ds.Name) {
				return ds
			}
		}
		return nil
	})
	if ds == nil {
		return nil, nil
	}
	root := RefOf(ds)
	for _, pod := range s.PodsOn(node) {
		if pod.DeletionTimestamp == nil && pod.Namespace == ds.Namespace && s.Root(pod) == root {
			return ds, pod
		}
	}
	return ds, nil
}
