package kube

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	maxInfrastructure = 12  // workloads
	infraLines        = 500 // what is wrong hides among the requests that went well
)

// infrastructure are the values of labels by which programs that serve the whole cluster
// are known, and whose log tells what no object does: an upstream of DNS that does not
// answer, a kubelet that metrics-server cannot scrape, a backend that times out.
var infrastructure = map[string][]string{
	"k8s-app":                {"kube-dns", "coredns", "node-local-dns", "metrics-server", "kube-proxy", "cluster-autoscaler"},
	"app.kubernetes.io/name": {"coredns", "node-local-dns", "metrics-server", "ingress-nginx", "traefik", "contour", "cert-manager", "cluster-autoscaler", "aws-load-balancer-controller", "external-dns"},
	"app":                    {"metrics-server", "ingress-nginx", "cluster-autoscaler", "cert-manager"},
	"component":              {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"},
}

// infraLogs are the present logs of up to two pods of each such workload, those that are
// not ready first, whether or not they are in scope; of those that are not, also the log
// of the run that ended.
func infraLogs(s *cluster.Snapshot) []logWant {
	byRoot := map[cluster.Ref][]*corev1.Pod{}
	var roots []cluster.Ref
	for pod := range cluster.All[*corev1.Pod](s) {
		if !isInfrastructure(pod) || pod.DeletionTimestamp != nil || pod.Spec.NodeName == "" {
			continue
		}
		root := s.Root(pod)
		if root.Kind == "Node" || root == cluster.RefOf(pod) { // a static pod: alike are those of one component
			root = cluster.Ref{Kind: "Node", Name: pod.Labels["component"] + pod.Labels["k8s-app"]}
		}
		if byRoot[root] == nil {
			roots = append(roots, root)
		}
		byRoot[root] = append(byRoot[root], pod)
	}
	var out []logWant
	for _, root := range roots[:min(len(roots), maxInfrastructure)] {
		pods := byRoot[root]
		slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
			return cmp.Or(cmp.Compare(ready(a), ready(b)), cmp.Compare(a.Name, b.Name))
		})
		for _, pod := range pods[:min(len(pods), maxPodsPerOwner)] {
			if !s.InScope(pod.Namespace) {
				out = append(out, podLogs(s, pod)...)
			}
			for _, st := range pod.Status.ContainerStatuses {
				if st.State.Running != nil {
					out = append(out, logWant{pod: pod, container: st.Name, lines: infraLines})
					break
				}
			}
		}
	}
	return out
}

func isInfrastructure(pod *corev1.Pod) bool {
	for label, values := range infrastructure {
		if v := pod.Labels[label]; v != "" && slices.Contains(values, v) {
			return true
		}
	}
	return false
}

func ready(pod *corev1.Pod) int {
	if cluster.PodReady(pod) {
		return 1
	}
	return 0
}

// addInfraLogs adds what wants does not hold yet.
func addInfraLogs(s *cluster.Snapshot, wants []logWant) []logWant {
	type key struct {
		namespace, pod, container string
		previous                  bool
	}
	seen := map[key]bool{}
	of := func(w logWant) key { return key{w.pod.Namespace, w.pod.Name, w.container, w.previous} }
	for _, w := range wants {
		seen[of(w)] = true
	}
	for _, w := range infraLogs(s) {
		if !seen[of(w)] {
			seen[of(w)] = true
			wants = append(wants, w)
		}
	}
	return wants
}
