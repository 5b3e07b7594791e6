package scaling

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// MaxedOut finds autoscalers that want more replicas than they may have.
var MaxedOut = &analyzers.Analyzer{
	Name: "scaling/maxed-out",
	Doc: `autoscalers at their maximum while the load is still above target

Only the controller's own word counts, that it wants more than maxReplicas: one that runs
at its maximum and meets its target is silent, and so is one at its minimum.`,
	Needs: []schema.GroupKind{cluster.Autoscalers, cluster.Deployments, cluster.StatefulSets},
	Emits: []analyzers.Code{maxedOut},
	Run:   runMaxedOut,
}

const (
	// barely is how far over target a metric may be to be just a note: the controller
	// itself lets 10 % pass (k8s.io/kubernetes pkg/controller/podautoscaler/config).
	barely = 1.25
	// raise is the most that a fix multiplies maxReplicas by; more than that is a question
	// of what the program does and not of a limit.
	raise = 3
)

func runMaxedOut(p *analyzers.Pass) error {
	for hpa := range cluster.Scoped[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		limited := condition(hpa, autoscalingv2.ScalingLimited)
		active := condition(hpa, autoscalingv2.ScalingActive)
		if limited == nil || limited.Status != corev1.ConditionTrue || limited.Reason != "TooManyReplicas" ||
			active == nil || active.Status != corev1.ConditionTrue || hpa.DeletionTimestamp != nil ||
			hpa.Status.CurrentReplicas < hpa.Spec.MaxReplicas || p.Since(limited.LastTransitionTime.Time) < resync {
			continue
		}
		if l, ok := worst(hpa); ok && l.ratio > 1 {
			maxed(p, hpa, limited, l)
		}
	}
	return nil
}

func maxed(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, limited *autoscalingv2.HorizontalPodAutoscalerCondition, l load) {
	limit := hpa.Spec.MaxReplicas
	f := analyzers.Finding{
		Code: maxedOut, Subject: cluster.RefOf(hpa),
		Summary: fmt.Sprintf("Autoscaler %s is at its maximum of %d replicas, and %s is at %s with a target of %s", hpa.Name, limit, l.metric, l.now, l.goal),
		Evidence: []analyzers.Evidence{
			conditionProof(hpa, limited),
			{Source: cluster.RefOf(hpa).String(), Path: "status.currentMetrics", Quote: fmt.Sprintf("%s: %s, target: %s", l.metric, l.now, l.goal)},
		},
	}
	if l.ratio < barely || minReplicas(hpa) == limit { // a fixed number is somebody's choice
		f.Severity = analyzers.Info
	}
	if o, ok := targetOf(p.Snapshot, hpa); ok {
		if wants, has, short := shortOf(p.Snapshot, o); short {
			// More replicas are no help while those there are do not come up.
			f.CausedBy = []analyzers.Ref{cluster.RefOf(o)}
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: "status.readyReplicas", Quote: fmt.Sprintf("ready: %d of %d", has, wants)})
		}
	}
	needs := int32(math.Ceil(float64(limit) * min(l.ratio, raise)))
	if l.ratio <= raise {
		data, _ := json.Marshal(map[string]any{"spec": map[string]any{"maxReplicas": needs}})
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  fmt.Sprintf("Allow %d replicas, which the present load needs, if the nodes and what the program depends on can take them", needs),
			Argv: p.Kubectl(hpa.Namespace, "patch", "horizontalpodautoscaler", hpa.Name, "--type", "merge", "-p", string(data)),
		})
	} else {
		f.Fixes = append(f.Fixes, edit(p, hpa, fmt.Sprintf("The load is %.0f times the target: check the request and the target value before maxReplicas", l.ratio)))
	}
	report(p, f)
}

// shortOf compares the replicas that a workload wants with those that are ready.
func shortOf(s *cluster.Snapshot, o cluster.Object) (wants, has int32, short bool) {
	wants, ok := cluster.Replicas(o)
	for _, pod := range s.PodsOf(o) {
		if cluster.PodReady(pod) {
			has++
		}
	}
	return wants, has, ok && has < wants
}

// A load is how far one metric is from its target.
type load struct {
	metric, now, goal string
	ratio             float64
}

// worst is the metric that is farthest above its target.
func worst(hpa *autoscalingv2.HorizontalPodAutoscaler) (load, bool) {
	var loads []load
	for i, spec := range hpa.Spec.Metrics {
		if i >= len(hpa.Status.CurrentMetrics) {
			break
		}
		if l, ok := loadOf(spec, hpa.Status.CurrentMetrics[i]); ok {
			loads = append(loads, l)
		}
	}
	if len(loads) == 0 {
		return load{}, false
	}
	return slices.MaxFunc(loads, func(a, b load) int {
		switch {
		case a.ratio < b.ratio:
			return -1
		case a.ratio > b.ratio:
			return 1
		}
		return 0
	}), true
}

// loadOf reads one metric: the status has them in the order of the spec.
func loadOf(spec autoscalingv2.MetricSpec, status autoscalingv2.MetricStatus) (load, bool) {
	if spec.Type != status.Type {
		return load{}, false
	}
	switch {
	case spec.Resource != nil && status.Resource != nil:
		return compare(resourceName(string(spec.Resource.Name)), spec.Resource.Target, status.Resource.Current)
	case spec.ContainerResource != nil && status.ContainerResource != nil:
		return compare(resourceName(string(spec.ContainerResource.Name))+" of "+spec.ContainerResource.Container, spec.ContainerResource.Target, status.ContainerResource.Current)
	case spec.Pods != nil && status.Pods != nil:
		return compare(spec.Pods.Metric.Name, spec.Pods.Target, status.Pods.Current)
	case spec.Object != nil && status.Object != nil:
		return compare(spec.Object.Metric.Name, spec.Object.Target, status.Object.Current)
	case spec.External != nil && status.External != nil:
		return compare(spec.External.Metric.Name, spec.External.Target, status.External.Current)
	}
	return load{}, false
}

func compare(name string, t autoscalingv2.MetricTarget, now autoscalingv2.MetricValueStatus) (load, bool) {
	amounts := func(goal, have *resource.Quantity) (load, bool) {
		if goal == nil || have == nil || goal.AsApproximateFloat64() <= 0 {
			return load{}, false
		}
		return load{name, have.String(), goal.String(), have.AsApproximateFloat64() / goal.AsApproximateFloat64()}, true
	}
	switch {
	case t.AverageUtilization != nil && now.AverageUtilization != nil && *t.AverageUtilization > 0:
		goal, have := *t.AverageUtilization, *now.AverageUtilization
		return load{name, fmt.Sprintf("%d %%", have), fmt.Sprintf("%d %%", goal), float64(have) / float64(goal)}, true
	case t.AverageValue != nil:
		return amounts(t.AverageValue, now.AverageValue)
	case t.Value != nil:
		return amounts(t.Value, now.Value)
	}
	return load{}, false
}
