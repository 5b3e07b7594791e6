package rollouts

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// refusalKinds are the kinds that refusals reads.
var refusalKinds = []schema.GroupKind{
	cluster.Deployments, cluster.ReplicaSets, cluster.StatefulSets, cluster.DaemonSets, cluster.Jobs, cluster.CronJobs, cluster.Events,
}

// A refusal is a controller that has fewer pods than it wants because the API server
// refuses to create them. There is no pod, so nothing else tells of it.
type refusal struct {
	controller cluster.Object // what asks for the pods: a ReplicaSet, StatefulSet, …
	root       analyzers.Ref  // what a person changes: the Deployment
	missing    int32          // pods that do not exist
	has        int32          // pods that do
	noun       string         // what is refused: pod, claim, Job, ReplicaSet
	reason     string         // the API server's words, without the names of pods
	since      time.Time
	evidence   analyzers.Evidence
}

// refusals lists what stands so now: an old FailedCreate event of a controller that has
// all its pods is the trace of a start in which something came a moment late.
func refusals(s *cluster.Snapshot) []refusal {
	var out []refusal
	for rs := range cluster.Scoped[*appsv1.ReplicaSet](s) {
		if r, ok := refusedReplicaSet(s, rs); ok {
			out = append(out, r)
		}
	}
	for d := range cluster.Scoped[*appsv1.Deployment](s) {
		if r, ok := refusedDeployment(s, d); ok {
			out = append(out, r)
		}
	}
	for set := range cluster.Scoped[*appsv1.StatefulSet](s) {
		n, _ := cluster.Replicas(set)
		out = appendByEvent(s, out, set, n, set.Status.Replicas)
	}
	for set := range cluster.Scoped[*appsv1.DaemonSet](s) {
		out = appendByEvent(s, out, set, set.Status.DesiredNumberScheduled, set.Status.CurrentNumberScheduled)
	}
	for job := range cluster.Scoped[*batchv1.Job](s) {
		out = appendByEvent(s, out, job, wantedByJob(job), job.Status.Active)
	}
	for cron := range cluster.Scoped[*batchv1.CronJob](s) {
		if r, ok := refusedCronJob(s, cron); ok {
			out = append(out, r)
		}
	}
	return out
}

// refusedCronJob is for a CronJob whose Jobs themselves are refused. It tries again until
// the next time comes (k8s.io/kubernetes pkg/controller/cronjob/cronjob_controllerv2.go:
// "Error creating job: %v").
func refusedCronJob(s *cluster.Snapshot, cron *batchv1.CronJob) (refusal, bool) {
	if cron.DeletionTimestamp != nil || cron.Spec.Suspend != nil && *cron.Spec.Suspend {
		return refusal{}, false
	}
	ev := lastRefusal(s, cron)
	if ev == nil || cron.Status.LastScheduleTime != nil && !cluster.EventTime(ev).After(cron.Status.LastScheduleTime.Time) {
		return refusal{}, false
	}
	r := newRefusal(s, cron, 1, 0, ev.Message)
	r.since, r.evidence = ev.FirstTimestamp.Time, analyzers.EventEvidence(cluster.RefOf(cron), ev)
	return r, true
}

// refusedReplicaSet reads the condition, which the controller removes as soon as all
// pods could be created (k8s.io/kubernetes pkg/controller/replicaset/replica_set_utils.go,
// calculateStatus). Its message stays that of the first failure: a newer event has the
// present one.
func refusedReplicaSet(s *cluster.Snapshot, rs *appsv1.ReplicaSet) (refusal, bool) {
	wants, _ := cluster.Replicas(rs)
	if rs.DeletionTimestamp != nil || rs.Status.Replicas >= wants {
		return refusal{}, false
	}
	for _, c := range rs.Status.Conditions {
		if c.Type != appsv1.ReplicaSetReplicaFailure || c.Status != corev1.ConditionTrue || c.Reason != "FailedCreate" {
			continue
		}
		r := newRefusal(s, rs, wants, rs.Status.Replicas, c.Message)
		r.since = c.LastTransitionTime.Time
		r.evidence = analyzers.Evidence{Source: cluster.RefOf(rs).String(), Path: "status.conditions[ReplicaFailure]", Quote: analyzers.QuoteHead(c.Message), At: c.LastTransitionTime.Time}
		if ev, ok := s.LastEvent(rs, nil, "FailedCreate"); ok && cluster.EventTime(ev).After(c.LastTransitionTime.Time) {
			r.reason = reasonIn(ev.Message)
			r.evidence = analyzers.EventEvidence(cluster.RefOf(rs), ev)
		}
		return r, true
	}
	return refusal{}, false
}

// refusedDeployment is for a Deployment whose ReplicaSet itself is refused
// (k8s.io/kubernetes pkg/controller/deployment/sync.go: "Failed to create new replica
// set"), or cannot be read. A paused Deployment keeps old conditions.
func refusedDeployment(s *cluster.Snapshot, d *appsv1.Deployment) (refusal, bool) {
	if d.DeletionTimestamp != nil || d.Spec.Paused {
		return refusal{}, false
	}
	wants, _ := cluster.Replicas(d)
	for _, c := range d.Status.Conditions {
		noSet := c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ReplicaSetCreateError"
		noPods := c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue && c.Reason == "FailedCreate" &&
			d.Status.Replicas < wants && !s.Sees(cluster.ReplicaSets, d.Namespace)
		if noSet || noPods {
			r := newRefusal(s, d, wants, d.Status.UpdatedReplicas, c.Message)
			r.since = c.LastTransitionTime.Time
			r.evidence = analyzers.Evidence{Source: cluster.RefOf(d).String(), Path: "status.conditions[" + string(c.Type) + "]", Quote: analyzers.QuoteHead(c.Message), At: c.LastTransitionTime.Time}
			return r, true
		}
	}
	return refusal{}, false
}

// wantedByJob is how many pods a Job is to have at this moment; a finished or suspended
// one wants none.
func wantedByJob(job *batchv1.Job) int32 {
	if job.Spec.Suspend != nil && *job.Spec.Suspend || job.Status.CompletionTime != nil {
		return 0
	}
	for _, c := range job.Status.Conditions {
		if (c.Type == batchv1.JobFailed || c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailureTarget) && c.Status == corev1.ConditionTrue {
			return 0
		}
	}
	wants := int32(1)
	if job.Spec.Parallelism != nil {
		wants = *job.Spec.Parallelism
	}
	if job.Spec.Completions != nil {
		wants = min(wants, *job.Spec.Completions-job.Status.Succeeded)
	}
	return wants
}

// appendByEvent is for controllers that have no condition for this: they are short of
// pods, and their last word on creating one is a failure.
func appendByEvent(s *cluster.Snapshot, out []refusal, o cluster.Object, wants, has int32) []refusal {
	if o.GetDeletionTimestamp() != nil || has >= wants {
		return out
	}
	ev := lastRefusal(s, o)
	if ev == nil {
		return out
	}
	// The API server drops events of an object that has too many: its youngest pod
	// tells of a success as well.
	for _, pod := range s.PodsOf(o) {
		if pod.CreationTimestamp.After(cluster.EventTime(ev)) || pod.DeletionTimestamp == nil && strings.Contains(ev.Message, `pods "`+pod.Name+`"`) {
			return out
		}
	}
	r := newRefusal(s, o, wants, has, ev.Message)
	r.since, r.evidence = ev.FirstTimestamp.Time, analyzers.EventEvidence(cluster.RefOf(o), ev)
	return append(out, r)
}

// lastRefusal is the event that tells of the last try to create a pod, nil when that
// succeeded. A StatefulSet tells of its claims too: one that could be made is no pod,
// and one that could not is told of twice in the same second, for the claim and for its
// pod (k8s.io/kubernetes pkg/controller/statefulset/stateful_pod_control.go); the order
// of the messages then decides, which puts the claim first. In a second with successes
// and failures some pods could not be made.
func lastRefusal(s *cluster.Snapshot, o cluster.Object) *corev1.Event {
	var last *corev1.Event
	for _, ev := range s.EventsFor(o) {
		if ev.Reason != "FailedCreate" && (ev.Reason != "SuccessfulCreate" || strings.HasPrefix(ev.Message, "Create Claim ")) {
			continue
		}
		if last == nil {
			last = ev
			continue
		}
		// FailedCreate is before SuccessfulCreate, and "Create Claim" before "Create Pod".
		if cmp.Or(cluster.EventTime(ev).Compare(cluster.EventTime(last)), cmp.Compare(last.Reason, ev.Reason), cmp.Compare(last.Message, ev.Message)) > 0 {
			last = ev
		}
	}
	if last == nil || last.Reason != "FailedCreate" {
		return nil
	}
	return last
}

func newRefusal(s *cluster.Snapshot, o cluster.Object, wants, has int32, message string) refusal {
	return refusal{controller: o, root: s.Root(o), missing: wants - has, has: has, noun: nounIn(o, message), reason: reasonIn(message)}
}

// nounIn is what could not be created, by the resource that the API server names, or by
// who asked.
func nounIn(o cluster.Object, message string) string {
	m := objectPrefix.FindStringSubmatch(message[len(messagePrefix.FindString(message)):])
	switch _, isCron := o.(*batchv1.CronJob); {
	case m != nil && m[1] == "persistentvolumeclaims":
		return "claim"
	case m != nil && m[1] == "replicasets.apps":
		return "ReplicaSet"
	case isCron:
		return "Job"
	}
	return "pod"
}

// Prefixes of messages, of k8s.io/kubernetes pkg/controller/controller_utils.go,
// controller/statefulset/stateful_pod_control.go, controller/deployment/sync.go,
// controller/cronjob/cronjob_controllerv2.go and
// k8s.io/client-go tools/record/events_cache.go; then the name of the object that was to
// be created (k8s.io/apimachinery pkg/api/errors, NewForbidden).
var (
	messagePrefix = regexp.MustCompile(`^(\(combined from similar events\): )?(Error creating: |Error creating job: |(?i:create) (?:Pod|Claim) .*? failed error: (?:failed to create PVC [^:]+: )?|Failed to create new replica set "[^"]*": )?`)
	objectPrefix  = regexp.MustCompile(`^([a-z.]+) "[^"]*" is forbidden: `)
)

// reasonIn is the API server's reason without what differs from pod to pod.
func reasonIn(message string) string {
	message = message[len(messagePrefix.FindString(message)):]
	return message[len(objectPrefix.FindString(message)):]
}

// template is what the refused pods are made of.
func (r refusal) template() *corev1.PodTemplateSpec {
	if t, ok := cluster.Template(r.controller); ok {
		return t
	}
	return &corev1.PodTemplateSpec{}
}

func (r refusal) namespace() string { return r.controller.GetNamespace() }

// rollback proposes the last good revision of a workload, when one has ready pods.
func rollback(p *analyzers.Pass, workload cluster.Object) []analyzers.Fix {
	from, _, _, ok := WhatChanged(p.Snapshot, workload)
	if !ok || from.Ready == 0 {
		return nil
	}
	ref := cluster.RefOf(workload)
	return []analyzers.Fix{{
		Why:  fmt.Sprintf("Roll back to revision %d, whose pods are ready", from.Number),
		Argv: p.Kubectl(ref.Namespace, "rollout", "undo", ref.Short(), fmt.Sprintf("--to-revision=%d", from.Number)),
	}}
}
