package config

import (
	"math/big"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// StaleConfig notes ConfigMaps and Secrets that were changed after the containers which
// read them only at their start: by environment variables and subPath mounts. Whole
// volumes follow a change by themselves.
//
// The order of the changes is that of the resource versions, which etcd counts up for
// all kinds together: an object changed after the pod's last status has the greater one,
// and the pod's last status is not older than the start of its containers. A pod whose
// status changed later is left out, so nothing is said where the order is open. What was
// changed, a value or a label, no object tells: it is a note and no more.
var StaleConfig = &analyzers.Analyzer{
	Name:  "config/stale",
	Doc:   "ConfigMaps and Secrets changed after the containers had read them",
	Needs: []schema.GroupKind{cluster.Pods, cluster.ConfigMaps, cluster.Secrets},
	Emits: []analyzers.Code{staleConfig},
	Run: func(p *analyzers.Pass) error {
		for pod := range subjects(p) {
			// Of a pod that is not ready the containers start again and read again.
			if !cluster.PodReady(pod) {
				continue
			}
			done := map[analyzers.Ref]bool{}
			for _, u := range append(environment(&pod.Spec), subPaths(&pod.Spec)...) {
				if ref := u.ref(pod.Namespace); !done[ref] && runs(pod, u.container) {
					done[ref] = reportStale(p, pod, u)
				}
			}
		}
		return nil
	},
}

func reportStale(p *analyzers.Pass, pod *corev1.Pod, u use) bool {
	ref := u.ref(pod.Namespace)
	o, ok := p.Get(ref)
	if !ok {
		return false
	}
	started := pod.CreationTimestamp.Time
	for _, status := range cluster.ContainerStatuses(pod) {
		if status.Name == u.container && status.State.Running != nil {
			started = status.State.Running.StartedAt.Time
		}
	}
	// One that was deleted and created again is newer than the start by its own date.
	if !after(o.GetResourceVersion(), pod.ResourceVersion) && !o.GetCreationTimestamp().Time.After(started) {
		return false
	}
	root := p.Root(pod)
	how := "environment"
	if u.volume != "" {
		how = "subPath mount"
	}
	f := analyzers.Finding{
		Code: staleConfig, Subject: root, Part: u.kind + "/" + u.name, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		CausedBy: []analyzers.Ref{ref}, Shared: ref.String() + " changed after the pods that use it started",
		Summary: sentence(u.kind+" "+u.name+" changed after container "+u.container+" started", ", which reads it only at its start ("+how+")"),
		Evidence: []analyzers.Evidence{
			{Source: ref.String(), Path: "metadata.resourceVersion", Quote: "resourceVersion: " + o.GetResourceVersion() + " (pod: " + pod.ResourceVersion + ")"},
			{Source: cluster.RefOf(pod).String(), Path: "metadata.resourceVersion", Quote: "resourceVersion: " + pod.ResourceVersion, At: started},
			{Source: cluster.RefOf(pod).String(), Path: u.path, Quote: u.field() + ": " + u.name},
		},
	}
	if patchable[root.Kind] {
		f.Fixes = []analyzers.Fix{{
			Why:  "Restart the pods one by one, so that they read the new values",
			Argv: p.Kubectl(root.Namespace, "rollout", "restart", root.Short()),
		}}
	}
	p.Report(f)
	return true
}

// after compares two resource versions; both must be numbers, as those of etcd are.
func after(a, b string) bool {
	x, okX := new(big.Int).SetString(a, 10)
	y, okY := new(big.Int).SetString(b, 10)
	return okX && okY && x.Cmp(y) > 0
}

// subPaths lists the volumes that a container mounts by subPath: the kubelet does not
// refresh those (https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath).
func subPaths(spec *corev1.PodSpec) []use {
	var out []use
	all := volumes(spec)
	for _, c := range spec.Containers {
		for _, m := range c.VolumeMounts {
			if m.SubPath == "" && m.SubPathExpr == "" {
				continue
			}
			for _, u := range all {
				if u.volume == m.Name && u.key == "" {
					u.container = c.Name
					out = append(out, u)
				}
			}
		}
	}
	return out
}
