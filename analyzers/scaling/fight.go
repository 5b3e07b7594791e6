package scaling

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Fight finds workloads that two scalers set.
var Fight = &analyzers.Analyzer{
	Name: "scaling/fight",
	Doc: `workloads whose replicas or requests two scalers set

Two autoscalers on one target, two on workloads whose selectors overlap, a vertical one
that changes the requests by which a horizontal one measures, and replicas that somebody
sets back again and again. One reset by hand is no fight.`,
	Needs: []schema.GroupKind{cluster.Autoscalers, cluster.VerticalAutoscalers, cluster.Deployments, cluster.StatefulSets, cluster.Events},
	Emits: []analyzers.Code{replicasFight},
	Run:   runFight,
}

func runFight(p *analyzers.Pass) error {
	byTarget := map[analyzers.Ref][]*autoscalingv2.HorizontalPodAutoscaler{}
	var order []analyzers.Ref
	for hpa := range cluster.Scoped[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		if hpa.DeletionTimestamp != nil {
			continue
		}
		t := target(hpa)
		t.APIVersion = t.GroupKind().Group // versions of one group name the same object
		if len(byTarget[t]) == 0 {
			order = append(order, t)
		}
		byTarget[t] = append(byTarget[t], hpa)
	}
	for _, t := range order {
		if list := byTarget[t]; len(list) > 1 {
			sameTarget(p, list)
			continue
		}
		hpa := byTarget[t][0]
		if overlap(p, hpa) {
			continue
		}
		vertical(p, hpa)
		resets(p, hpa)
	}
	return nil
}

// sameTarget reports the autoscaler that came later; one that KEDA made for a ScaledObject
// is not the one to remove.
func sameTarget(p *analyzers.Pass, list []*autoscalingv2.HorizontalPodAutoscaler) {
	list = slices.SortedFunc(slices.Values(list), func(a, b *autoscalingv2.HorizontalPodAutoscaler) int {
		return cmp.Or(cmp.Compare(len(b.OwnerReferences), len(a.OwnerReferences)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	extra := list[len(list)-1]
	if p.Since(extra.CreationTimestamp.Time) < resync {
		return // a rename, whose old object is about to go
	}
	t := target(extra)
	f := analyzers.Finding{Code: replicasFight, Subject: cluster.RefOf(extra)}
	var names []string
	for _, hpa := range list {
		names = append(names, hpa.Name)
		f.Affected = append(f.Affected, cluster.RefOf(hpa))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(hpa).String(), Path: "spec.scaleTargetRef", Quote: t.Kind + "/" + t.Name})
	}
	follows := "so they overwrite each other's replicas"
	if c := ambiguous(extra); c != nil {
		follows = "so the controller lets neither of them scale"
		f.Evidence = append([]analyzers.Evidence{conditionProof(extra, c)}, f.Evidence...)
	}
	f.Evidence = f.Evidence[:min(len(f.Evidence), 5)]
	f.Summary = fmt.Sprintf("Autoscalers %s all scale %s %s, %s", strings.Join(names, " and "), t.Kind, t.Name, follows)
	if len(names) == 2 {
		f.Summary = strings.Replace(f.Summary, " all scale ", " both scale ", 1)
	}
	f.Fixes = []analyzers.Fix{remove(p, extra, fmt.Sprintf("Keep one autoscaler: remove %s, the later one, after moving what only it has into %s", extra.Name, list[0].Name))}
	report(p, f)
}

func ambiguous(hpa *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscalerCondition {
	if c := condition(hpa, autoscalingv2.ScalingActive); c != nil && c.Status == corev1.ConditionFalse && c.Reason == "AmbiguousSelector" {
		return c
	}
	return nil
}

// ambiguousWords: "pods by selector app=web are controlled by more than one HPA (e.g. [shop/web shop/canary])"
// (k8s.io/kubernetes pkg/controller/podautoscaler/horizontal.go, validateAndParseSelector).
var ambiguousWords = regexp.MustCompile(`more than one HPA \(e\.g\. \[(.*)\]\)$`)

// overlap is about two targets, of which the selector of one also matches the other's
// pods. It is reported for the one with the wider selector.
func overlap(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler) bool {
	c := ambiguous(hpa)
	if c == nil {
		return false
	}
	m := ambiguousWords.FindStringSubmatch(c.Message)
	if m == nil || p.Since(c.LastTransitionTime.Time) < resync {
		return true
	}
	wide, ok := targetOf(p.Snapshot, hpa)
	if !ok {
		return true
	}
	for pair := range strings.FieldsSeq(m[1]) {
		_, name, _ := strings.Cut(pair, "/")
		other, found := cluster.Find[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot, hpa.Namespace, name)
		if !found || other.Name == hpa.Name {
			continue
		}
		narrow, found := targetOf(p.Snapshot, other)
		if !found || !selects(wide, narrow) || selects(narrow, wide) && other.Name < hpa.Name {
			continue
		}
		a, b := cluster.RefOf(wide), cluster.RefOf(narrow)
		report(p, analyzers.Finding{
			Code: replicasFight, Subject: cluster.RefOf(hpa), Affected: []analyzers.Ref{cluster.RefOf(hpa), cluster.RefOf(other)},
			Summary: fmt.Sprintf("The selector of %s %s also matches the pods of %s, so the autoscalers %s and %s both stand still", a.Kind, a.Name, b.Name, hpa.Name, other.Name),
			Evidence: []analyzers.Evidence{
				conditionProof(hpa, c),
				{Source: a.String(), Path: "spec.selector", Quote: metav1.FormatLabelSelector(selectorOf(wide))},
				{Source: b.String(), Path: "spec.selector", Quote: metav1.FormatLabelSelector(selectorOf(narrow))},
			},
			Fixes: []analyzers.Fix{{
				Why:  fmt.Sprintf("Create %s anew with a selector and labels that only its own pods have: a selector cannot be changed", a.Name),
				Argv: p.Kubectl(hpa.Namespace, "get", strings.ToLower(a.Kind), a.Name, "-o", "yaml"),
			}},
		})
		return true
	}
	return true
}

// selects reports whether the selector of a matches the pods that b makes.
func selects(a, b cluster.Object) bool {
	t, ok := cluster.Template(b)
	sel, err := metav1.LabelSelectorAsSelector(selectorOf(a))
	return ok && err == nil && !sel.Empty() && sel.Matches(labels.Set(t.Labels))
}

// vertical is about a VerticalPodAutoscaler that changes the request of which the
// horizontal one takes a percentage (kubernetes/autoscaler vertical-pod-autoscaler/docs/known-limitations.md).
func vertical(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler) {
	t := target(hpa)
	for _, named := range verticalsOf(p.Snapshot)[t] {
		o, v := named.object, named.verticalAutoscaler
		if !v.acts() {
			continue
		}
		for i, m := range hpa.Spec.Metrics {
			if m.Resource == nil || m.Resource.Target.AverageUtilization == nil || !v.controls(string(m.Resource.Name)) {
				continue
			}
			report(p, analyzers.Finding{
				Code: replicasFight, Severity: analyzers.Warning, Subject: cluster.RefOf(hpa), Part: "vpa",
				Summary: fmt.Sprintf("Vertical autoscaler %s changes the %s requests by which autoscaler %s measures %s %s", o.GetName(), resourceName(string(m.Resource.Name)), hpa.Name, t.Kind, t.Name),
				Evidence: []analyzers.Evidence{
					{Source: cluster.RefOf(o).String(), Path: "spec.updatePolicy.updateMode", Quote: "updateMode: " + v.mode()},
					{Source: cluster.RefOf(hpa).String(), Path: fmt.Sprintf("spec.metrics[%d]", i), Quote: fmt.Sprintf("%s averageUtilization: %d", m.Resource.Name, *m.Resource.Target.AverageUtilization)},
				},
				Fixes: []analyzers.Fix{{
					Why:  "Let the vertical autoscaler only recommend",
					Argv: p.Kubectl(o.GetNamespace(), "patch", "verticalpodautoscaler", o.GetName(), "--type", "merge", "-p", `{"spec":{"updatePolicy":{"updateMode":"Off"}}}`),
				}},
			})
			return
		}
	}
}

// downWords are the Deployment controller's (k8s.io/kubernetes pkg/controller/deployment/sync.go).
var downWords = regexp.MustCompile(`^Scaled down replica set (\S+) from \d+ to (\d+)$`)

// resets is about replicas that somebody sets to a number that the autoscaler never
// asked for, again and again: a GitOps tool or a pipeline whose manifest has a number.
// The autoscaler then repairs what it finds below its minimum or raises it once more.
// KEDA, which owns its autoscalers, scales to 0 and from there itself.
func resets(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler) {
	r := rescalesOf(p.Snapshot, hpa)
	if len(hpa.OwnerReferences) > 0 || r.last == nil || r.up+r.below+r.above < often || p.Since(cluster.EventTime(r.last)) > lately {
		return
	}
	t := target(hpa)
	f := analyzers.Finding{Code: replicasFight, Subject: cluster.RefOf(hpa), Part: "replicas", Evidence: []analyzers.Evidence{eventProof(hpa, r.last)}}
	if ev, size, n := resetOf(p, hpa, r); n >= often {
		f.Summary = fmt.Sprintf("Something else keeps setting %s %s back to %d replicas, which autoscaler %s never asked for", t.Kind, t.Name, size, hpa.Name)
		if o, ok := targetOf(p.Snapshot, hpa); ok {
			f.Evidence = append(f.Evidence, eventProof(o, ev))
		}
	} else if r.below >= often || r.above >= often {
		f.Summary = fmt.Sprintf("Something else keeps setting the replicas of %s %s outside the %d to %d of autoscaler %s", t.Kind, t.Name, minReplicas(hpa), hpa.Spec.MaxReplicas, hpa.Name)
	} else {
		return
	}
	f.Severity = analyzers.Warning
	f.Fixes = []analyzers.Fix{{
		Why:  "Leave spec.replicas out of the manifest that is applied, or let the GitOps tool ignore it; managed fields name who sets it",
		Argv: p.Kubectl(t.Namespace, "get", strings.ToLower(t.Kind), t.Name, "--show-managed-fields", "-o", "yaml"),
	}}
	report(p, f)
}

// resetOf counts the scale-downs of the Deployment's present ReplicaSet to a size that is
// none of the autoscaler's. A rollout scales down ReplicaSets of former revisions.
func resetOf(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, r rescales) (last *corev1.Event, size int32, n int) {
	o, ok := targetOf(p.Snapshot, hpa)
	d, isDeployment := o.(*appsv1.Deployment)
	if !ok || !isDeployment {
		return nil, 0, 0
	}
	revisions := p.Revisions(d)
	if len(revisions) == 0 {
		return nil, 0, 0
	}
	for _, ev := range p.EventsFor(d) {
		m := downWords.FindStringSubmatch(ev.Message)
		if m == nil || m[1] != revisions[0].Object.GetName() {
			continue
		}
		to, _ := strconv.ParseInt(m[2], 10, 32)
		if r.sizes[int32(to)] {
			continue
		}
		n += within(p.Snapshot, ev)
		last, size = ev, int32(to)
	}
	return last, size, n
}
