package storage

import (
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A plugin is what the Snapshot shows of one CSI driver or provisioner: its pods, where
// they can be recognised.
type plugin struct {
	onNodes     []*corev1.Pod     // serve volumes to the pods of their node
	daemon      *appsv1.DaemonSet // that makes them, though it may have made none
	controllers []*corev1.Pod     // make, attach and resize volumes
}

// sidecars are the programs that stand between Kubernetes and the controller part of a
// driver (kubernetes-csi: external-provisioner, external-attacher, external-resizer).
var sidecars = []string{"csi-provisioner", "csi-attacher", "csi-resizer"}

// plugins finds the pods of drivers. A node's part shows its driver in the directory of its
// socket, /var/lib/kubelet/plugins/<driver> (kubernetes-csi: driver-registrar's
// --kubelet-registration-path); the controller is taken to run in the same namespace.
func plugins(p *analyzers.Pass) map[string]*plugin {
	return cluster.Derive(p.Snapshot, "storage.plugins", func() map[string]*plugin {
		m := map[string]*plugin{}
		homes := map[string][]string{} // namespace -> drivers
		controllers := map[string][]*corev1.Pod{}
		at := func(driver string) *plugin {
			if m[driver] == nil {
				m[driver] = &plugin{}
			}
			return m[driver]
		}
		for pod := range cluster.All[*corev1.Pod](p.Snapshot) {
			if cluster.PodFinished(pod) {
				continue
			}
			if driver := servedBy(&pod.Spec); driver != "" {
				at(driver).onNodes = append(at(driver).onNodes, pod)
				if !slices.Contains(homes[pod.Namespace], driver) {
					homes[pod.Namespace] = append(homes[pod.Namespace], driver)
				}
			}
			if isController(pod) {
				controllers[pod.Namespace] = append(controllers[pod.Namespace], pod)
			}
			// Provisioners without CSI are told their name (kubernetes-sigs/
			// nfs-subdir-external-provisioner).
			for _, c := range pod.Spec.Containers {
				for _, e := range c.Env {
					if e.Name == "PROVISIONER_NAME" && e.Value != "" {
						at(e.Value).controllers = append(at(e.Value).controllers, pod)
					}
				}
			}
		}
		for ds := range cluster.All[*appsv1.DaemonSet](p.Snapshot) {
			if driver := servedBy(&ds.Spec.Template.Spec); driver != "" {
				at(driver).daemon = ds
			}
		}
		for _, namespace := range slices.Sorted(maps.Keys(homes)) {
			if drivers := homes[namespace]; len(drivers) == 1 { // of several it is not known whose controller it is
				at(drivers[0]).controllers = append(at(drivers[0]).controllers, controllers[namespace]...)
			}
		}
		return m
	})
}

func pluginOf(p *analyzers.Pass, driver string) plugin {
	if x := plugins(p)[driver]; x != nil {
		return *x
	}
	return plugin{}
}

// servedBy is the driver whose directory a pod mounts.
func servedBy(spec *corev1.PodSpec) string {
	for _, v := range spec.Volumes {
		if v.HostPath == nil {
			continue
		}
		if _, rest, ok := strings.Cut(v.HostPath.Path, "/plugins/"); ok {
			if driver, _, _ := strings.Cut(rest, "/"); strings.Contains(driver, ".") {
				return driver
			}
		}
	}
	return ""
}

func isController(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(sidecars, func(name string) bool { return strings.Contains(c.Image, name) || c.Name == name })
	})
}

// unwell returns the first of the pods that is not ready though it should be.
func unwell(p *analyzers.Pass, pods []*corev1.Pod) (*corev1.Pod, string, bool) {
	for _, pod := range pods {
		if stage, why := p.Unready(pod); stage > cluster.Starting {
			return pod, why, true
		}
	}
	return nil, "", false
}

// leaseLife is longer than the leader of a sidecar lets pass between two renewals: 10 s to
// renew of 15 s (kubernetes-csi/csi-lib-utils leaderelection/leader_election.go).
const leaseLife = time.Minute

// lease returns the Lease by which the replicas of a provisioner choose their leader: it is
// called after the driver (external-provisioner cmd/csi-provisioner/csi-provisioner.go).
func lease(p *analyzers.Pass, provisioner string) (*coordinationv1.Lease, bool) {
	leases := cluster.Derive(p.Snapshot, "storage.leases", func() map[string]*coordinationv1.Lease {
		m := map[string]*coordinationv1.Lease{}
		for l := range cluster.All[*coordinationv1.Lease](p.Snapshot) {
			if l.Namespace != corev1.NamespaceNodeLease && m[l.Name] == nil {
				m[l.Name] = l
			}
		}
		return m
	})
	l, ok := leases[strings.ReplaceAll(provisioner, "/", "-")]
	return l, ok && l.Spec.RenewTime != nil
}
