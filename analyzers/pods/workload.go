package pods

import (
	"regexp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// JourneyOfWorkload follows the pods of a workload: that of the pod which came least far,
// or, when there is none, of the pod that should be there. Its controller then says what
// keeps it from being created.
func JourneyOfWorkload(s *cluster.Snapshot, workload cluster.Object) Journey {
	if j, ok := leastFar(s, workload); ok {
		// All pods there are may be well while further ones are refused.
		if _, stopped := j.Stopped(); stopped || refusal(s, workload) == "" {
			return j
		}
	}
	j := Journey{Subject: cluster.RefOf(workload), Deleting: workload.GetDeletionTimestamp() != nil}
	at, stage := notCreated(s, workload)
	reached := slices.Index(stageNames, at)
	for i, name := range stageNames {
		switch {
		case stage.State == NotApplicable:
			j.Stages = append(j.Stages, Stage{Name: name, State: NotApplicable, Detail: stage.Detail})
		case i < reached:
			j.Stages = append(j.Stages, Stage{Name: name, State: Passed})
		case i == reached:
			stage.Name = name
			j.Stages = append(j.Stages, stage)
		default:
			j.Stages = append(j.Stages, Stage{Name: name, State: Pending})
		}
	}
	return j
}

// leastFar is the journey of the pod that stopped first. Pods on their way out, pods that
// have ended well and failed ones that were replaced tell nothing of what the workload
// waits for.
func leastFar(s *cluster.Snapshot, workload cluster.Object) (Journey, bool) {
	var least Journey
	at := len(stageNames) + 1
	pods := s.PodsOf(workload)
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed && replaced(pod, pods) {
			continue
		}
		j := JourneyOf(s, pod)
		reached := len(stageNames)
		if stage, stopped := j.Stopped(); stopped {
			reached = slices.Index(stageNames, stage.Name)
		}
		if reached < at {
			least, at = j, reached
		}
	}
	return least, at <= len(stageNames)
}

func replaced(pod *corev1.Pod, pods []*corev1.Pod) bool {
	return slices.ContainsFunc(pods, func(other *corev1.Pod) bool { return other.CreationTimestamp.After(pod.CreationTimestamp.Time) })
}

// notCreated says at which stage the pod to come stands, and why.
func notCreated(s *cluster.Snapshot, workload cluster.Object) (at string, stage Stage) {
	if why := wantsNone(workload); why != "" {
		return Admitted, Stage{State: NotApplicable, Detail: why}
	}
	if message := refusal(s, workload); message != "" {
		at := Admitted
		if unauthorised.MatchString(message) {
			at = Authorised
		}
		return at, Stage{State: Blocked, Detail: oneLine(message)}
	}
	stage = Stage{State: Current, Detail: "the controller has not created a pod yet"}
	if age := s.Since(workload.GetCreationTimestamp().Time); age > patience {
		stage = Stage{State: Blocked, Detail: "no pod exists, and no event or condition of the controller says why"}
	}
	return Admitted, stage
}

// unauthorised is the API server's word for a request that the controller may not make
// (k8s.io/apiserver pkg/endpoints/handlers/responsewriters/errors.go); a quota or an
// admission plugin also says forbidden, but not that somebody cannot do it.
var unauthorised = regexp.MustCompile(`is forbidden: User "[^"]+" cannot `)

// wantsNone is why a workload has no pods on purpose.
func wantsNone(o cluster.Object) string {
	switch o := o.(type) {
	case *appsv1.DaemonSet:
		if o.Status.DesiredNumberScheduled == 0 && o.Status.ObservedGeneration >= o.Generation {
			return "no node matches the DaemonSet"
		}
		return ""
	case *batchv1.CronJob:
		if o.Spec.Suspend != nil && *o.Spec.Suspend {
			return "the CronJob is suspended"
		}
		return "the next run is due by the schedule " + o.Spec.Schedule
	case *batchv1.Job:
		if o.Spec.Suspend != nil && *o.Spec.Suspend {
			return "the Job is suspended"
		}
		if o.Status.CompletionTime != nil {
			return "the Job is complete"
		}
		return ""
	}
	if n, ok := cluster.Replicas(o); ok && n == 0 {
		return "scaled to 0"
	}
	return ""
}

// refusal is what the API server answered to the controller that creates the pods: the
// workload itself or its newest ReplicaSet. The condition tells what is so now; a
// StatefulSet, a DaemonSet and a Job have none, and their newest event must be a failure.
func refusal(s *cluster.Snapshot, workload cluster.Object) string {
	controllers := []cluster.Object{workload}
	if revisions := s.Revisions(workload); len(revisions) > 0 {
		controllers = append(controllers, revisions[0].Object)
	}
	for _, o := range controllers {
		if message := replicaFailure(o); message != "" {
			return message
		}
	}
	for _, o := range controllers {
		// k8s.io/kubernetes pkg/controller/controller_utils.go and statefulset/stateful_pod_control.go.
		ev, ok := s.LastEvent(o, nil, "FailedCreate", "SuccessfulCreate", "FailedDaemonPod")
		if ok && ev.Type == corev1.EventTypeWarning {
			return ev.Message
		}
	}
	return ""
}

func replicaFailure(o cluster.Object) string {
	switch o := o.(type) {
	case *appsv1.Deployment:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				return c.Message
			}
		}
	case *appsv1.ReplicaSet:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
				return c.Message
			}
		}
	}
	return ""
}
