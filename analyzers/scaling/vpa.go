package scaling

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Vertical finds vertical autoscalers without effect.
var Vertical = &analyzers.Analyzer{
	Name: "scaling/vertical",
	Doc: `vertical autoscalers that have no recommendation or cannot apply it

One in mode Off or Initial only recommends, which is what it was told. One without pods
is silent while its workload is scaled to 0, as is one that has just been made.`,
	Needs: []schema.GroupKind{cluster.VerticalAutoscalers, cluster.APIServices, cluster.Services, cluster.Deployments, cluster.StatefulSets},
	Emits: []analyzers.Code{notApplied},
	Run:   runVertical,
}

// verticalAutoscaler are the fields of a VerticalPodAutoscaler that matter here
// (kubernetes/autoscaler vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1/types.go).
type verticalAutoscaler struct {
	Spec struct {
		TargetRef *struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Name       string `json:"name"`
		} `json:"targetRef"`
		UpdatePolicy *struct {
			UpdateMode  string `json:"updateMode"`
			MinReplicas *int32 `json:"minReplicas"`
		} `json:"updatePolicy"`
		ResourcePolicy *struct {
			ContainerPolicies []struct {
				Mode                string    `json:"mode"`
				ControlledResources *[]string `json:"controlledResources"`
			} `json:"containerPolicies"`
		} `json:"resourcePolicy"`
	} `json:"spec"`
	Status struct {
		Conditions []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

func (v verticalAutoscaler) target(namespace string) analyzers.Ref {
	if v.Spec.TargetRef == nil {
		return analyzers.Ref{}
	}
	return analyzers.Ref{APIVersion: v.Spec.TargetRef.APIVersion, Kind: v.Spec.TargetRef.Kind, Namespace: namespace, Name: v.Spec.TargetRef.Name}
}

func (v verticalAutoscaler) mode() string {
	if v.Spec.UpdatePolicy == nil || v.Spec.UpdatePolicy.UpdateMode == "" {
		return "Auto"
	}
	return v.Spec.UpdatePolicy.UpdateMode
}

// acts reports whether it changes pods that run.
func (v verticalAutoscaler) acts() bool { return v.mode() != "Off" && v.mode() != "Initial" }

// controls reports whether it sets this resource in any container.
func (v verticalAutoscaler) controls(resource string) bool {
	if v.Spec.ResourcePolicy == nil || len(v.Spec.ResourcePolicy.ContainerPolicies) == 0 {
		return true
	}
	for _, c := range v.Spec.ResourcePolicy.ContainerPolicies {
		if c.Mode != "Off" && (c.ControlledResources == nil || slices.Contains(*c.ControlledResources, resource)) {
			return true
		}
	}
	return false
}

func (v verticalAutoscaler) condition(t string) *metav1.Condition {
	for i := range v.Status.Conditions {
		if v.Status.Conditions[i].Type == t {
			return &v.Status.Conditions[i]
		}
	}
	return nil
}

// A namedVertical is one that was read, with its object.
type namedVertical struct {
	verticalAutoscaler
	object cluster.Object
}

// verticalsOf are the vertical autoscalers by their target.
func verticalsOf(s *cluster.Snapshot) map[analyzers.Ref][]namedVertical {
	return cluster.Derive(s, "scaling.verticals", func() map[analyzers.Ref][]namedVertical {
		out := map[analyzers.Ref][]namedVertical{}
		for o := range cluster.ScopedOf(s, cluster.VerticalAutoscalers) {
			if v, err := cluster.As[verticalAutoscaler](o); err == nil {
				t := v.target(o.GetNamespace())
				out[t] = append(out[t], namedVertical{v, o})
			}
		}
		return out
	})
}

// observed is how long the recommender may take: it works once a minute and wants a few
// samples (kubernetes/autoscaler vertical-pod-autoscaler/pkg/recommender, --recommender-interval).
const observed = 10 * time.Minute

func runVertical(p *analyzers.Pass) error {
	for o := range cluster.ScopedOf(p.Snapshot, cluster.VerticalAutoscalers) {
		v, err := cluster.As[verticalAutoscaler](o)
		if err != nil || o.GetDeletionTimestamp() != nil || p.Since(o.GetCreationTimestamp().Time) < observed {
			continue
		}
		f := analyzers.Finding{Code: notApplied, Subject: cluster.RefOf(o)}
		if stale(p, o, v, &f) {
			report(p, f)
		}
	}
	return nil
}

func stale(p *analyzers.Pass, o cluster.Object, v verticalAutoscaler, f *analyzers.Finding) bool {
	t := v.target(o.GetNamespace())
	unsupported, none, given := v.condition("ConfigUnsupported"), v.condition("NoPodsMatched"), v.condition("RecommendationProvided")
	known := slices.Contains(scalable, t.Kind) && t.GroupKind().Group == "apps"
	var replicas int32 = -1
	if known {
		w, ok := p.Get(t)
		if ok {
			replicas, _ = cluster.Replicas(w)
		} else if p.Sees(t.GroupKind(), t.Namespace) {
			f.Summary = fmt.Sprintf("Vertical autoscaler %s is for %s %s, which does not exist", o.GetName(), t.Kind, t.Name)
			f.CausedBy = []analyzers.Ref{t}
			f.Evidence = []analyzers.Evidence{{Source: cluster.RefOf(o).String(), Path: "spec.targetRef", Quote: t.Kind + "/" + t.Name}}
			f.Fixes = []analyzers.Fix{{Why: "Name the workload that it is for", Argv: p.Kubectl(o.GetNamespace(), "edit", "verticalpodautoscaler", o.GetName())}}
			return true
		}
	}
	proof := func(c *metav1.Condition) analyzers.Evidence {
		return analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: "status.conditions[" + c.Type + "]", Quote: analyzers.Quote(string(c.Status) + ": " + c.Message), At: c.LastTransitionTime.Time}
	}
	switch {
	case unsupported != nil && unsupported.Status == metav1.ConditionTrue:
		f.Summary = fmt.Sprintf("Vertical autoscaler %s cannot work: %s", o.GetName(), unsupported.Message)
		f.Evidence = []analyzers.Evidence{proof(unsupported)}
		f.Fixes = []analyzers.Fix{{Why: "Let targetRef name the top workload, such as the Deployment and not its ReplicaSet", Argv: p.Kubectl(o.GetNamespace(), "edit", "verticalpodautoscaler", o.GetName())}}
	case none != nil && none.Status == metav1.ConditionTrue && replicas > 0 && p.Since(none.LastTransitionTime.Time) > observed:
		f.Summary = fmt.Sprintf("Vertical autoscaler %s finds no running pod of %s %s", o.GetName(), t.Kind, t.Name)
		f.CausedBy = []analyzers.Ref{t}
		f.Evidence = []analyzers.Evidence{proof(none)}
		f.Fixes = []analyzers.Fix{{Why: "Show the workload and its pods", Argv: p.Kubectl(t.Namespace, "describe", strings.ToLower(t.Kind), t.Name)}}
	case given != nil && given.Status == metav1.ConditionFalse && given.Reason != "NoPodsMatched" && replicas > 0 && p.Since(given.LastTransitionTime.Time) > observed:
		f.Summary = fmt.Sprintf("Vertical autoscaler %s has had no recommendation for %s %s", o.GetName(), t.Kind, t.Name)
		f.Evidence = []analyzers.Evidence{proof(given)}
		if api := apiOf(p.Snapshot, resourceGroup); api.absent || api.broken(p.Snapshot) {
			f.Summary += ", as the metrics API does not answer"
			f.CausedBy = api.causes(p.Snapshot)
			f.Evidence = append(f.Evidence, api.proof())
		}
		f.Fixes = []analyzers.Fix{{Why: "Show whether the metrics API answers, which the recommender reads", Argv: p.Kubectl("", "get", "apiservice", "v1beta1.metrics.k8s.io")}}
	default:
		return false
	}
	return true
}
