package cluster

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(t0.Add(-d)) }

func waiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

func running(since time.Duration) corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: ago(since)}}
}

func ended(reason string, code int32, since time.Duration) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code, FinishedAt: ago(since)}}
}

func TestContainerFault(t *testing.T) {
	always, never := corev1.RestartPolicyAlways, corev1.RestartPolicyNever
	for name, c := range map[string]struct {
		status corev1.ContainerStatus
		policy corev1.RestartPolicy
		init   bool
		want   Fault
	}{
		"pulling":           {status: corev1.ContainerStatus{State: waiting("ContainerCreating")}, want: NoFault},
		"no image":          {status: corev1.ContainerStatus{State: waiting("ImagePullBackOff")}, want: ImageFault},
		"no image, no pull": {status: corev1.ContainerStatus{State: waiting("ErrImageNeverPull")}, want: ImageFault},
		"no config":         {status: corev1.ContainerStatus{State: waiting("CreateContainerConfigError")}, want: StartFault},
		"no command, in back-off": {
			status: corev1.ContainerStatus{State: waiting("CrashLoopBackOff"), LastTerminationState: ended("StartError", 128, time.Minute)}, want: StartFault},
		"crash loop": {
			status: corev1.ContainerStatus{State: waiting("CrashLoopBackOff"), LastTerminationState: ended("Error", 1, time.Minute)}, want: CrashFault},
		"between two runs":         {status: corev1.ContainerStatus{State: ended("Error", 1, time.Second)}, policy: always, want: CrashFault},
		"killed for memory":        {status: corev1.ContainerStatus{State: ended("OOMKilled", 137, time.Second)}, policy: always, want: CrashFault},
		"ended with 0, restarted":  {status: corev1.ContainerStatus{State: ended("Completed", 0, time.Second), RestartCount: 2}, policy: always, want: CrashFault},
		"ended with 0 just now":    {status: corev1.ContainerStatus{State: ended("Completed", 0, time.Second)}, policy: always, want: NoFault},
		"a job's end":              {status: corev1.ContainerStatus{State: ended("Completed", 0, time.Hour)}, policy: never, want: NoFault},
		"a job's failure":          {status: corev1.ContainerStatus{State: ended("Error", 3, time.Hour)}, policy: never, want: CrashFault},
		"an init container's end":  {status: corev1.ContainerStatus{State: ended("Completed", 0, time.Hour), RestartCount: 1}, policy: always, init: true, want: NoFault},
		"init at work":             {status: corev1.ContainerStatus{State: running(time.Hour)}, init: true, want: NoFault},
		"well":                     {status: corev1.ContainerStatus{State: running(time.Hour), Ready: true}, want: NoFault},
		"never ready":              {status: corev1.ContainerStatus{State: running(time.Hour)}, want: ReadyFault},
		"runs between two crashes": {status: corev1.ContainerStatus{State: running(20 * time.Second), Ready: true, RestartCount: 5, LastTerminationState: ended("Error", 1, 2*time.Minute)}, want: CrashFault},
		"crashed long ago":         {status: corev1.ContainerStatus{State: running(time.Hour), Ready: true, RestartCount: 9, LastTerminationState: ended("Error", 1, time.Hour)}, want: NoFault},
		"one restart at the start": {status: corev1.ContainerStatus{State: running(time.Minute), Ready: true, RestartCount: 1, LastTerminationState: ended("Error", 1, time.Minute)}, want: NoFault},
		"nothing said yet":         {want: NoFault},
	} {
		t.Run(name, func(t *testing.T) {
			c.status.Name = "c"
			p := pod("shop", "web", func(p *corev1.Pod) {
				p.Spec.RestartPolicy = c.policy
				if c.init {
					p.Spec.InitContainers = []corev1.Container{{Name: "c"}}
				} else {
					p.Spec.Containers = []corev1.Container{{Name: "c"}}
				}
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			})
			s := NewBuilder(Info{CapturedAt: t0}).Build()
			if got := s.ContainerFault(p, c.status); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestKilledByProbe(t *testing.T) {
	killed := func(at time.Duration, message string) *Snapshot {
		b := NewBuilder(Info{CapturedAt: t0})
		b.Add(&corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: "e"},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web", UID: "shop-web"},
			Type:           "Normal", Reason: "Killing", Message: message, LastTimestamp: ago(at),
		})
		return b.Build()
	}
	status := corev1.ContainerStatus{Name: "c", LastTerminationState: ended("Error", 137, time.Minute)}
	for name, c := range map[string]struct {
		s     *Snapshot
		probe string
	}{
		"liveness":          {killed(90*time.Second, "Container c failed liveness probe, will be restarted"), "liveness"},
		"startup":           {killed(90*time.Second, "Container c failed startup probe, will be restarted"), "startup"},
		"a sidecar":         {killed(90*time.Second, "Init container c failed startup probe"), "startup"},
		"another container": {killed(90*time.Second, "Container cc failed liveness probe, will be restarted"), ""},
		"an older kill":     {killed(time.Hour, "Container c failed liveness probe, will be restarted"), ""},
		"a plain stop":      {killed(90*time.Second, "Stopping container c"), ""},
	} {
		probe, _, ok := c.s.KilledByProbe(pod("shop", "web", nil), status)
		if probe != c.probe || ok != (c.probe != "") {
			t.Errorf("%s: %q, %v", name, probe, ok)
		}
	}
}
