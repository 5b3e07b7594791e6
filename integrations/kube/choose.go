package kube

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	maxPodsPerOwner = 2
	maxLogsPerOwner = 4
	// maxLogOwners bounds the whole: an outage of everything needs no thousand logs to
	// be understood, and the worst come first.
	maxLogOwners = 100

	slowInit     = time.Minute // an init container at work for longer than most need
	recentCrash  = time.Hour   // a restart that somebody may be asking about
	secondary    = 10          // added to the rank of a log that only adds to another
	rankCrash    = 0
	rankUnready  = 1
	rankInit     = 2
	rankRestart  = 3
	rankNotStart = 4
)

// A logWant is one log worth reading: the lower its rank, the more it tells.
type logWant struct {
	pod       *corev1.Pod
	container string
	previous  bool
	rank      int
	lines     int // the last ones to ask for; 0 means logLines
}

// wantedLogs chooses the logs to read: for each workload with containers that fail or
// have restarted, those of two pods of its newest revision. skipped has one log for
// each workload beyond the limit.
func wantedLogs(s *cluster.Snapshot) (wants []logWant, owners int, skipped []logWant) {
	type owner struct {
		ref  cluster.Ref
		pods []podWants
	}
	byRef := map[cluster.Ref]*owner{}
	var list []*owner
	for pod := range cluster.Scoped[*corev1.Pod](s) {
		w := podLogs(s, pod)
		if len(w) == 0 {
			continue
		}
		ref := s.Root(pod)
		o := byRef[ref]
		if o == nil {
			o = &owner{ref: ref}
			byRef[ref] = o
			list = append(list, o)
		}
		o.pods = append(o.pods, podWants{pod: pod, wants: w, revision: revision(s, pod), restarts: restarts(pod)})
	}
	for _, o := range list {
		slices.SortStableFunc(o.pods, func(a, b podWants) int {
			return cmp.Or(cmp.Compare(b.revision, a.revision), cmp.Compare(a.wants[0].rank, b.wants[0].rank),
				cmp.Compare(b.restarts, a.restarts), cmp.Compare(a.pod.Name, b.pod.Name))
		})
	}
	slices.SortStableFunc(list, func(a, b *owner) int {
		return cmp.Or(cmp.Compare(a.pods[0].wants[0].rank, b.pods[0].wants[0].rank), cmp.Compare(a.ref.Namespace, b.ref.Namespace),
			cmp.Compare(a.ref.Kind, b.ref.Kind), cmp.Compare(a.ref.Name, b.ref.Name))
	})
	for i, o := range list {
		chosen := chooseOfOwner(o.pods)
		if i >= maxLogOwners {
			skipped = append(skipped, chosen[0])
			continue
		}
		owners++
		wants = append(wants, chosen...)
	}
	return wants, owners, skipped
}

type podWants struct {
	pod      *corev1.Pod
	wants    []logWant // by rank
	revision int64
	restarts int32
}

// chooseOfOwner takes the first pod and, if there is one, the next that fails in
// another container: two pods that fail alike tell little more than one.
func chooseOfOwner(pods []podWants) []logWant {
	chosen := pods[:1:1]
	if len(pods) > 1 {
		second := pods[1]
		for _, p := range pods[1:] {
			if p.wants[0].container != pods[0].wants[0].container {
				second = p
				break
			}
		}
		chosen = append(chosen, second)
	}
	var out []logWant
	for _, p := range chosen[:min(len(chosen), maxPodsPerOwner)] {
		out = append(out, p.wants...)
	}
	slices.SortStableFunc(out, func(a, b logWant) int { return cmp.Compare(a.rank, b.rank) })
	return out[:min(len(out), maxLogsPerOwner)]
}

// podLogs are the logs of a pod that tell why it is not well, by rank. Only logs that
// the kubelet can have are asked for (k8s.io/kubernetes pkg/kubelet/kubelet_pods.go,
// validateContainerLogStatus).
func podLogs(s *cluster.Snapshot, pod *corev1.Pod) []logWant {
	if pod.DeletionTimestamp != nil || pod.Spec.NodeName == "" {
		return nil
	}
	var out []logWant
	for _, st := range cluster.ContainerStatuses(pod) {
		want := func(previous bool, rank int) {
			out = append(out, logWant{pod: pod, container: st.Name, previous: previous, rank: rank})
		}
		last := st.LastTerminationState.Terminated
		before := last != nil && last.ContainerID != ""
		switch s.ContainerFault(pod, st) {
		case cluster.CrashFault:
			switch {
			case st.State.Terminated != nil:
				if st.State.Terminated.ContainerID != "" || before {
					want(false, rankCrash)
				}
				if before {
					want(true, rankCrash+secondary)
				}
			case before:
				want(true, rankCrash)
				if st.State.Running != nil {
					want(false, rankCrash+secondary)
				}
			}
		case cluster.StartFault:
			if before { // a hook after the start failed, or it ran well before
				want(true, rankNotStart)
			}
		case cluster.ReadyFault:
			want(false, rankUnready)
			if before {
				want(true, rankUnready+secondary)
			}
		case cluster.NoFault:
			spec, init, _ := cluster.Container(&pod.Spec, st.Name)
			running := st.State.Running
			switch {
			case running == nil:
			case init && spec != nil && !cluster.IsSidecar(spec) && s.Since(running.StartedAt.Time) > slowInit:
				want(false, rankInit)
			case before && s.Since(last.FinishedAt.Time) < recentCrash:
				want(true, rankRestart)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b logWant) int { return cmp.Compare(a.rank, b.rank) })
	return out
}

func restarts(pod *corev1.Pod) int32 {
	var n int32
	for _, st := range cluster.ContainerStatuses(pod) {
		n += st.RestartCount
	}
	return n
}

// revision orders the pods of one workload by how new the template is that they were
// made from. A rolled back Deployment has an old ReplicaSet with a new number.
func revision(s *cluster.Snapshot, pod *corev1.Pod) int64 {
	_, owner, _ := s.Owner(pod)
	switch o := owner.(type) {
	case *appsv1.ReplicaSet:
		n, _ := strconv.ParseInt(o.Annotations["deployment.kubernetes.io/revision"], 10, 64)
		return n
	case *appsv1.StatefulSet:
		return controllerRevision(s, pod, pod.Labels[appsv1.ControllerRevisionHashLabelKey])
	case *appsv1.DaemonSet:
		return controllerRevision(s, pod, o.Name+"-"+pod.Labels[appsv1.ControllerRevisionHashLabelKey])
	case nil:
		return 0
	default: // of Jobs the newest
		return o.GetCreationTimestamp().Unix()
	}
}

func controllerRevision(s *cluster.Snapshot, pod *corev1.Pod, name string) int64 {
	if r, ok := cluster.Find[*appsv1.ControllerRevision](s, pod.Namespace, name); ok {
		return r.Revision
	}
	return 0
}
