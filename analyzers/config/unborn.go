package config

import (
	"iter"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// unborn iterates the workloads that want pods and have none now, with the spec of the
// pods to come: CronJobs between two runs, and manifests that were not applied yet. One
// that is scaled to zero or suspended wants none.
func unborn(p *analyzers.Pass) iter.Seq2[cluster.Object, *corev1.PodSpec] {
	return func(yield func(cluster.Object, *corev1.PodSpec) bool) {
		for _, o := range p.Workloads("") {
			t, ok := cluster.Template(o)
			if !ok || !p.InScope(o.GetNamespace()) || o.GetDeletionTimestamp() != nil || !wantsPods(o) || len(p.PodsOf(o)) > 0 {
				continue
			}
			if !yield(o, &t.Spec) {
				return
			}
		}
	}
}

func wantsPods(o cluster.Object) bool {
	switch o := o.(type) {
	case *batchv1.CronJob:
		return !yes(o.Spec.Suspend)
	case *batchv1.Job:
		return !yes(o.Spec.Suspend) && o.Status.CompletionTime == nil && o.Status.Failed == 0 && o.Status.Succeeded == 0
	}
	n, ok := cluster.Replicas(o)
	return ok && n > 0
}

func lower(kind string) string { return strings.ToLower(kind) }
