package cluster

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Stands reports whether a pod, if it has failed for good, still says how its workload is.
// A failed pod that a ReplicaSet has replaced, one try of a Job that went on, and one that
// the kubelet or the scheduler put an end to do not.
func (s *Snapshot) Stands(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded {
		return false
	}
	if pod.Status.Phase != corev1.PodFailed {
		return true
	}
	if pod.Status.Reason != "" { // Evicted, Terminated, UnexpectedAdmissionError, …
		return false
	}
	if c := PodCondition(pod, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return false
	}
	ref, owner, ok := s.Owner(pod)
	switch {
	case !ok:
		return true
	case ref.Kind != "Job":
		return ref.GroupKind().Group != "apps" && ref.GroupKind().Group != "" && s.Since(podFailedAt(pod)) < staleFailure
	case owner == nil:
		return true
	}
	job, isJob := owner.(*batchv1.Job)
	if !isJob || JobIs(job, batchv1.JobComplete) || JobIs(job, batchv1.JobSuspended) {
		return false
	}
	for _, other := range s.PodsOf(job) {
		if other != pod && other.CreationTimestamp.After(pod.CreationTimestamp.Time) && completionIndex(other) == completionIndex(pod) {
			return false
		}
	}
	return s.LastRunOf(job)
}

// LastRunOf reports whether no later Job of the same CronJob has come to an end: that one
// decides how the CronJob is. A Job of its own is always the last.
func (s *Snapshot) LastRunOf(job *batchv1.Job) bool {
	_, cron, ok := s.Owner(job)
	if !ok || cron == nil {
		return true
	}
	for _, o := range s.Owned(cron) {
		if later, ok := o.(*batchv1.Job); ok && later.CreationTimestamp.After(job.CreationTimestamp.Time) && (JobIs(later, batchv1.JobComplete) || later.Status.Active == 0 && later.Status.Failed > 0) {
			return false
		}
	}
	return true
}

// staleFailure is how long a failed pod of another project's controller, such as a step of
// a workflow, is news.
const staleFailure = time.Hour

func podFailedAt(pod *corev1.Pod) time.Time {
	latest := pod.CreationTimestamp.Time
	for _, status := range ContainerStatuses(pod) {
		if end := status.State.Terminated; end != nil && end.FinishedAt.After(latest) {
			latest = end.FinishedAt.Time
		}
	}
	return latest
}

// JobIs reports whether a Job has a condition of that type that is true.
func JobIs(job *batchv1.Job, t batchv1.JobConditionType) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool { return c.Type == t && c.Status == corev1.ConditionTrue })
}

func completionIndex(pod *corev1.Pod) string {
	return pod.Annotations[batchv1.JobCompletionIndexAnnotation]
}
