package scaling

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Target finds autoscalers whose target does not exist or has no scale.
var Target = &analyzers.Analyzer{
	Name: "scaling/target",
	Doc: `autoscalers whose target does not exist or cannot be scaled

An autoscaler that worked before and whose target is gone was left behind: a warning. One
that never worked names the wrong thing.`,
	Needs: []schema.GroupKind{cluster.Autoscalers, cluster.Deployments, cluster.StatefulSets},
	Emits: []analyzers.Code{targetInvalid},
	Run:   runTarget,
}

// scalable are the built-in kinds that people scale.
var scalable = []string{"Deployment", "StatefulSet"}

func runTarget(p *analyzers.Pass) error {
	for hpa := range cluster.Scoped[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		if hpa.DeletionTimestamp != nil {
			continue
		}
		able, active := condition(hpa, autoscalingv2.AbleToScale), condition(hpa, autoscalingv2.ScalingActive)
		switch {
		case able != nil && able.Status == corev1.ConditionFalse && able.Reason == "FailedGetScale":
			noScale(p, hpa, able)
		case active != nil && active.Status == corev1.ConditionFalse && active.Reason == "InvalidSelector":
			noSelector(p, hpa, active)
		}
	}
	return nil
}

// The words behind FailedGetScale are those of the API server and of the REST mapper
// (k8s.io/kubernetes pkg/controller/podautoscaler/horizontal.go, reconcileAutoscaler):
// `deployments.apps "web" not found`, `no matches for kind "Deployment" in group "extensions"`,
// "the server could not find the requested resource" for a kind without a scale.
func noScale(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, able *autoscalingv2.HorizontalPodAutoscalerCondition) {
	t := target(hpa)
	since := p.Since(able.LastTransitionTime.Time)
	f := analyzers.Finding{Code: targetInvalid, Subject: cluster.RefOf(hpa), Evidence: []analyzers.Evidence{conditionProof(hpa, able)}}
	switch {
	case since < resync/2 && !namesake(p, t):
		return // a target that is applied right after its autoscaler
	case strings.Contains(able.Message, "no matches for kind"):
		unknownKind(p, hpa, &f)
	case strings.HasSuffix(able.Message, "the server could not find the requested resource"):
		f.Summary = fmt.Sprintf("Autoscaler %s names %s %s, and a %s cannot be scaled", hpa.Name, t.Kind, t.Name, t.Kind)
		f.Fixes = []analyzers.Fix{remove(p, hpa, fmt.Sprintf("Remove the autoscaler: the number of pods of a %s is not a choice", t.Kind))}
	case strings.HasSuffix(able.Message, " not found"):
		if _, found := targetOf(p.Snapshot, hpa); found {
			return // it has come since
		}
		missing(p, hpa, &f)
	case since < firstMetrics:
		return // an API server that was away for a moment
	default:
		_, words, _ := strings.Cut(able.Message, "current scale: ")
		f.Summary = fmt.Sprintf("Autoscaler %s cannot read the scale of %s %s: %s", hpa.Name, t.Kind, t.Name, words)
		f.Fixes = []analyzers.Fix{{Why: "Show the autoscaler and its events", Argv: p.Kubectl(hpa.Namespace, "describe", "horizontalpodautoscaler", hpa.Name)}}
	}
	report(p, f)
}

// missing says what the target was probably meant to be.
func missing(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, f *analyzers.Finding) {
	t := target(hpa)
	f.Summary = fmt.Sprintf("Autoscaler %s scales %s %s, which does not exist", hpa.Name, t.Kind, t.Name)
	f.CausedBy = []analyzers.Ref{t}
	if other, ok := otherKind(p, t); ok {
		f.Summary += fmt.Sprintf(", but %s %s does", other.Kind, t.Name)
		f.Fixes = []analyzers.Fix{retarget(p, hpa, other)}
		return
	}
	var names []string
	switch t.GroupKind() {
	case cluster.Deployments:
		for o := range cluster.In[*appsv1.Deployment](p.Snapshot, hpa.Namespace) {
			names = append(names, o.Name)
		}
	case cluster.StatefulSets:
		for o := range cluster.In[*appsv1.StatefulSet](p.Snapshot, hpa.Namespace) {
			names = append(names, o.Name)
		}
	}
	if near, ok := meant(t.Name, names); ok {
		f.Summary += fmt.Sprintf(", but %s does", near)
		f.Fixes = []analyzers.Fix{retarget(p, hpa, analyzers.Ref{APIVersion: t.APIVersion, Kind: t.Kind, Namespace: t.Namespace, Name: near})}
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: analyzers.Ref{Kind: t.Kind, Namespace: t.Namespace, Name: near}.String(), Path: "metadata.name", Quote: near})
		return
	}
	f.Fixes = []analyzers.Fix{edit(p, hpa, "Name the workload that it should scale"), remove(p, hpa, "Or remove the autoscaler if its target is gone for good")}
	if hpa.Status.LastScaleTime != nil {
		f.Severity = analyzers.Warning
	}
}

// otherKind is the workload of another kind that has the target's name.
func otherKind(p *analyzers.Pass, t analyzers.Ref) (analyzers.Ref, bool) {
	for _, kind := range scalable {
		other := analyzers.Ref{APIVersion: "apps/v1", Kind: kind, Namespace: t.Namespace, Name: t.Name}
		if _, ok := p.Get(other); ok && kind != t.Kind {
			return other, true
		}
	}
	return analyzers.Ref{}, false
}

// namesake reports whether the target is missing and a workload of another kind has its
// name: then nothing is to come any more.
func namesake(p *analyzers.Pass, t analyzers.Ref) bool {
	_, exists := p.Get(t)
	_, other := otherKind(p, t)
	return !exists && other
}

// meant also takes a name for near that is the other with a word more: checkout-api, checkout.
func meant(name string, names []string) (string, bool) {
	if near, ok := analyzers.Nearest(name, names); ok {
		return near, true
	}
	var longer []string
	for _, n := range names {
		if strings.HasPrefix(n, name+"-") || strings.HasPrefix(name, n+"-") || strings.HasSuffix(n, "-"+name) || strings.HasSuffix(name, "-"+n) {
			longer = append(longer, n)
		}
	}
	if len(longer) != 1 || slices.Contains(names, name) {
		return "", false
	}
	return longer[0], true
}

// unknownKind is about an apiVersion or kind that the API server does not have.
func unknownKind(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, f *analyzers.Finding) {
	t := target(hpa)
	f.Summary = fmt.Sprintf("Autoscaler %s names its target as %s %s, a kind that the API server does not have", hpa.Name, t.APIVersion, t.Kind)
	kind := t.Kind
	if near, ok := analyzers.Nearest(kind, scalable); ok {
		kind = near
	}
	right := analyzers.Ref{APIVersion: "apps/v1", Kind: kind, Namespace: hpa.Namespace, Name: t.Name}
	if slices.Contains(scalable, kind) {
		if o, ok := p.Get(right); ok {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: "apiVersion", Quote: "apiVersion: apps/v1, kind: " + kind})
			f.Fixes = []analyzers.Fix{retarget(p, hpa, right)}
			return
		}
	}
	f.Fixes = []analyzers.Fix{edit(p, hpa, "Correct apiVersion and kind of scaleTargetRef")}
}

// noSelector is about a custom resource whose scale does not tell the selector of its pods.
func noSelector(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, active *autoscalingv2.HorizontalPodAutoscalerCondition) {
	t := target(hpa)
	if p.Since(active.LastTransitionTime.Time) < resync {
		return // a controller that is about to write it
	}
	report(p, analyzers.Finding{
		Code: targetInvalid, Subject: cluster.RefOf(hpa),
		Summary:  fmt.Sprintf("Autoscaler %s cannot find the pods of %s %s: its scale has no selector", hpa.Name, t.Kind, t.Name),
		Evidence: []analyzers.Evidence{conditionProof(hpa, active)},
		Fixes: []analyzers.Fix{{
			Why:  fmt.Sprintf("Let the CustomResourceDefinition of %s name labelSelectorPath, and its controller fill that field", t.Kind),
			Argv: p.Kubectl("", "get", "customresourcedefinitions", "-o", "custom-columns=KIND:.spec.names.kind,SCALE:.spec.versions[*].subresources.scale.labelSelectorPath"),
		}},
	})
}

func retarget(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, to analyzers.Ref) analyzers.Fix {
	patch := fmt.Sprintf(`{"spec":{"scaleTargetRef":{"apiVersion":%q,"kind":%q,"name":%q}}}`, to.APIVersion, to.Kind, to.Name)
	return analyzers.Fix{
		Why:  fmt.Sprintf("Let it scale %s %s", to.Kind, to.Name),
		Argv: p.Kubectl(hpa.Namespace, "patch", "horizontalpodautoscaler", hpa.Name, "--type", "merge", "-p", patch),
	}
}

func remove(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, why string) analyzers.Fix {
	return analyzers.Fix{Why: why, Argv: p.Kubectl(hpa.Namespace, "delete", "horizontalpodautoscaler", hpa.Name)}
}
