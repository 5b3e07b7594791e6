package analyzers

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// thenReplace adds, behind the first fix that changes a pod template, the step without
// which the change never reaches the pod that the finding is about: a StatefulSet waits
// for its broken pod before it replaces any (k8s.io/kubernetes
// pkg/controller/statefulset/stateful_set_control.go, updateStatefulSet), and a CronJob
// that forbids concurrency starts nothing while its Job is active
// (pkg/controller/cronjob/cronjob_controllerv2.go, syncCronJob).
func (p *Pass) thenReplace(f Finding) []Fix {
	if f.Subject.Kind != "StatefulSet" && f.Subject.Kind != "CronJob" || len(f.Affected) == 0 || f.Affected[0].Kind != "Pod" {
		return f.Fixes
	}
	at := slices.IndexFunc(f.Fixes, func(fix Fix) bool { return changesTemplate(fix.Argv, f.Subject) })
	if at < 0 {
		return f.Fixes
	}
	o, ok := p.Get(f.Affected[0])
	pod, isPod := o.(*corev1.Pod)
	if !ok || !isPod || pod.DeletionTimestamp != nil || cluster.PodReady(pod) {
		return f.Fixes
	}
	var step Fix
	switch workload := p.RootObject(pod).(type) {
	case *appsv1.StatefulSet:
		// In parallel, the pods of a former revision are replaced whether ready or not.
		if workload.Spec.PodManagementPolicy == appsv1.ParallelPodManagement && workload.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType {
			return f.Fixes
		}
		step = Fix{Why: "Then delete the broken pod, which the StatefulSet does not replace by itself", Argv: p.Kubectl(pod.Namespace, "delete", "pod", pod.Name)}
	case *batchv1.CronJob:
		ref, owner, _ := p.Owner(pod)
		job, isJob := owner.(*batchv1.Job)
		if workload.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || !isJob || job.Status.Active == 0 {
			return f.Fixes
		}
		step = Fix{Why: "Then delete the Job that hangs: while it is active, the CronJob starts no other", Argv: p.Kubectl(pod.Namespace, "delete", "job", ref.Name)}
	default:
		return f.Fixes
	}
	for _, fix := range f.Fixes {
		if slices.Equal(fix.Argv, step.Argv) {
			return f.Fixes
		}
	}
	return slices.Insert(slices.Clone(f.Fixes), at+1, step)
}

// changesTemplate reports whether a command changes the pod template of a workload.
func changesTemplate(argv []string, workload Ref) bool {
	if !slices.Contains(argv, workload.Short()) {
		return false
	}
	return slices.ContainsFunc([]string{"patch", "set", "edit", "undo"}, func(verb string) bool { return slices.Contains(argv, verb) })
}
