package pods

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

func (w *walk) probes() Stage {
	if cluster.PodFinished(w.pod) {
		return Stage{State: NotApplicable, Detail: "the pod has ended"}
	}
	if c := cluster.PodCondition(w.pod, corev1.ContainersReady); c != nil && c.Status == corev1.ConditionTrue {
		w.readyAt = c.LastTransitionTime.Time
	}
	var kinds []string
	for _, c := range probed(w.pod) {
		status := statusOf(w.pod, c.Name)
		if status.Ready && (c.StartupProbe == nil || status.Started != nil && *status.Started) {
			kinds = append(kinds, c.Name)
			continue
		}
		kind, probe := "readiness", c.ReadinessProbe
		if c.StartupProbe != nil && (status.Started == nil || !*status.Started) {
			kind, probe = "startup", c.StartupProbe
		}
		if probe == nil {
			continue
		}
		stage := Stage{State: Current, Took: w.since(w.startedAt), Detail: kind + " probe of " + c.Name + " has not succeeded yet"}
		if ev, ok := w.unhealthy(c.Name, kind); ok {
			stage.Detail = oneLine(c.Name + ": " + ev.Message)
		}
		if w.s.Since(w.startedAt) > grace(probe) {
			stage.State = Blocked
		}
		return stage
	}
	if len(kinds) == 0 {
		return Stage{State: NotApplicable, Detail: "no readiness or startup probe"}
	}
	return Stage{State: Passed, Took: between(w.startedAt, w.readyAt), Detail: oneLine(strings.Join(kinds, ", "))}
}

// probed are the containers and sidecars with a probe that readiness waits for.
func probed(pod *corev1.Pod) []corev1.Container {
	var out []corev1.Container
	for i := range pod.Spec.InitContainers {
		if cluster.IsSidecar(&pod.Spec.InitContainers[i]) {
			out = append(out, pod.Spec.InitContainers[i])
		}
	}
	out = append(out, pod.Spec.Containers...)
	return slices.DeleteFunc(out, func(c corev1.Container) bool { return c.ReadinessProbe == nil && c.StartupProbe == nil })
}

func statusOf(pod *corev1.Pod, name string) corev1.ContainerStatus {
	for _, status := range cluster.ContainerStatuses(pod) {
		if status.Name == name {
			return status
		}
	}
	return corev1.ContainerStatus{}
}

// unhealthy is the last failure of a probe (k8s.io/kubernetes
// pkg/kubelet/prober/prober.go: "%s probe failed: %s").
func (w *walk) unhealthy(container, kind string) (*corev1.Event, bool) {
	return w.s.LastEvent(w.pod, func(ev *corev1.Event) bool {
		return strings.HasSuffix(ev.InvolvedObject.FieldPath, "{"+container+"}") && strings.HasPrefix(strings.ToLower(ev.Message), kind+" probe") && !cluster.EventTime(ev).Before(w.startedAt)
	}, "Unhealthy")
}

// grace is how long a probe may fail after the start: as long as its own settings say,
// and half a minute at least.
func grace(p *corev1.Probe) time.Duration {
	period, threshold := max(p.PeriodSeconds, 1), max(p.FailureThreshold, 1)
	if p.PeriodSeconds == 0 {
		period = 10 // the API's default
	}
	if p.FailureThreshold == 0 {
		threshold = 3
	}
	return max(30*time.Second, time.Duration(p.InitialDelaySeconds+period*threshold)*time.Second)
}

func (w *walk) ready() Stage {
	if cluster.PodFinished(w.pod) {
		return Stage{State: NotApplicable, Detail: "the pod has ended"}
	}
	c := cluster.PodCondition(w.pod, corev1.PodReady)
	switch {
	case c == nil:
		return Stage{State: Unknown}
	case c.Status == corev1.ConditionTrue:
		return Stage{State: Passed, Took: between(w.readyAt, c.LastTransitionTime.Time)}
	case c.Reason == "ReadinessGatesNotReady":
		// k8s.io/kubernetes pkg/kubelet/status/generate.go.
		return Stage{State: Blocked, Took: w.since(w.readyAt), Detail: oneLine(c.Message)}
	case w.s.Since(w.startedAt) > patience:
		return Stage{State: Blocked, Took: w.since(w.startedAt), Detail: oneLine(c.Message)}
	}
	return Stage{State: Current, Took: w.since(w.startedAt), Detail: oneLine(c.Message)}
}

// endpointDelay is how long the endpoint controller may need after a pod got ready.
const endpointDelay = 30 * time.Second

func (w *walk) traffic() Stage {
	if cluster.PodFinished(w.pod) {
		return Stage{State: NotApplicable, Detail: "the pod has ended"}
	}
	if !w.s.Sees(cluster.Services, w.pod.Namespace) || !w.s.Sees(cluster.EndpointSlices, w.pod.Namespace) {
		return Stage{State: Unknown, Detail: "Services or EndpointSlices could not be read"}
	}
	var in, out []string
	for svc := range cluster.In[*corev1.Service](w.s, w.pod.Namespace) {
		if !cluster.Selects(svc.Spec.Selector, w.pod.Labels) {
			continue
		}
		if w.listed(svc.Name) {
			in = append(in, svc.Name)
		} else {
			out = append(out, svc.Name)
		}
	}
	c := cluster.PodCondition(w.pod, corev1.PodReady)
	switch {
	case len(in)+len(out) == 0:
		return Stage{State: NotApplicable, Detail: "no Service selects the pod"}
	case len(out) == 0:
		return Stage{State: Passed, Detail: oneLine("Service " + strings.Join(in, ", "))}
	case c != nil && w.s.Since(c.LastTransitionTime.Time) < endpointDelay:
		return Stage{State: Current, Detail: oneLine("waits for the EndpointSlices of Service " + strings.Join(out, ", "))}
	}
	return Stage{State: Blocked, Detail: oneLine("no EndpointSlice of Service " + strings.Join(out, ", ") + " has the pod as ready")}
}

// listed reports whether a slice of the Service has the pod as an endpoint that gets
// traffic. An unset condition means ready (k8s.io/api discovery/v1 EndpointConditions).
func (w *walk) listed(service string) bool {
	for slice := range cluster.In[*discoveryv1.EndpointSlice](w.s, w.pod.Namespace) {
		if slice.Labels[discoveryv1.LabelServiceName] != service {
			continue
		}
		for _, e := range slice.Endpoints {
			mine := e.TargetRef != nil && e.TargetRef.Kind == "Pod" && e.TargetRef.Name == w.pod.Name ||
				e.TargetRef == nil && w.pod.Status.PodIP != "" && slices.Contains(e.Addresses, w.pod.Status.PodIP)
			if mine && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				return true
			}
		}
	}
	return false
}
