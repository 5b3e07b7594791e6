package scaling

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NotScaling finds autoscalers that measure and do not act as people expect.
var NotScaling = &analyzers.Analyzer{
	Name: "scaling/not-scaling",
	Doc: `autoscalers that are held back, flap, or whose replicas do not come up

Held back by their own behaviour, by a target that somebody scaled to 0, by a refusal of
the API server. Waiting out the stabilization window after a peak is what they should do,
and silent.`,
	Needs: []schema.GroupKind{cluster.Autoscalers, cluster.Deployments, cluster.StatefulSets, cluster.Events},
	Emits: []analyzers.Code{notScaling},
	Run:   runNotScaling,
}

func runNotScaling(p *analyzers.Pass) error {
	for hpa := range cluster.Scoped[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		if hpa.DeletionTimestamp != nil {
			continue
		}
		f := analyzers.Finding{Code: notScaling, Subject: cluster.RefOf(hpa)}
		for _, look := range []func(*analyzers.Pass, *autoscalingv2.HorizontalPodAutoscaler, *analyzers.Finding) bool{refused, switchedOff, heldBack, unheard, flapping} {
			if look(p, hpa, &f) {
				report(p, f)
				break
			}
		}
	}
	return nil
}

// refused is about a target that the API server does not let it change.
func refused(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, f *analyzers.Finding) bool {
	able := condition(hpa, autoscalingv2.AbleToScale)
	if able == nil || able.Status != corev1.ConditionFalse || able.Reason != "FailedUpdateScale" || p.Since(able.LastTransitionTime.Time) < resync {
		return false
	}
	f.Severity = analyzers.Error
	_, words, _ := strings.Cut(able.Message, "unable to update the target scale: ")
	f.Summary = fmt.Sprintf("Autoscaler %s may not set the replicas of %s %s: %s", hpa.Name, target(hpa).Kind, target(hpa).Name, words)
	f.Evidence = []analyzers.Evidence{conditionProof(hpa, able)}
	f.Fixes = []analyzers.Fix{{Why: "Show the autoscaler's events; a webhook or a policy that refuses the scale is named there", Argv: p.Kubectl(hpa.Namespace, "describe", "horizontalpodautoscaler", hpa.Name)}}
	return true
}

// switchedOff is a note: at 0 replicas an autoscaler does nothing, and people do that on
// purpose; some expect it to bring the pods back. KEDA, which owns its autoscalers, does,
// and so does one with a minimum of 0.
func switchedOff(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, f *analyzers.Finding) bool {
	active := condition(hpa, autoscalingv2.ScalingActive)
	if active == nil || active.Status != corev1.ConditionFalse || active.Reason != "ScalingDisabled" || len(hpa.OwnerReferences) > 0 || minReplicas(hpa) == 0 {
		return false
	}
	o, ok := targetOf(p.Snapshot, hpa)
	if ok {
		if n, counted := cluster.Replicas(o); counted && n > 0 {
			return false // somebody has started it since
		}
	}
	t := target(hpa)
	f.Severity = analyzers.Info
	f.Summary = fmt.Sprintf("Autoscaler %s is off while %s %s is scaled to 0: it does not scale up from there", hpa.Name, t.Kind, t.Name)
	f.Evidence = []analyzers.Evidence{conditionProof(hpa, active)}
	if ok {
		f.Fixes = []analyzers.Fix{{
			Why:  "To switch it on again, start the workload with its minimum",
			Argv: p.Kubectl(hpa.Namespace, "scale", t.Short(), fmt.Sprintf("--replicas=%d", max(minReplicas(hpa), 1))),
		}}
	}
	return true
}

// heldBack is about the behaviour that the autoscaler was given.
func heldBack(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, f *analyzers.Finding) bool {
	limited := condition(hpa, autoscalingv2.ScalingLimited)
	b := hpa.Spec.Behavior
	if limited == nil || limited.Status != corev1.ConditionTrue || b == nil || p.Since(limited.LastTransitionTime.Time) < resync {
		return false
	}
	switch {
	case limited.Reason == "ScaleUpLimit" && disabled(b.ScaleUp):
		l, ok := worst(hpa)
		if !ok || l.ratio <= 1 {
			return false
		}
		f.Summary = fmt.Sprintf("Autoscaler %s may not scale up (behavior.scaleUp.selectPolicy: Disabled), and %s is at %s with a target of %s", hpa.Name, l.metric, l.now, l.goal)
		f.Fixes = []analyzers.Fix{allow(p, hpa, "scaleUp")}
	case limited.Reason == "ScaleDownLimit" && disabled(b.ScaleDown):
		f.Severity = analyzers.Info
		f.Summary = fmt.Sprintf("Autoscaler %s wants fewer replicas and may not scale down (behavior.scaleDown.selectPolicy: Disabled)", hpa.Name)
		f.Fixes = []analyzers.Fix{allow(p, hpa, "scaleDown")}
	case limited.Reason == "ScaleUpLimit" && b.ScaleUp != nil && p.Since(limited.LastTransitionTime.Time) > slow:
		l, ok := worst(hpa)
		if !ok || l.ratio < barely {
			return false
		}
		f.Summary = fmt.Sprintf("Autoscaler %s is held by its own scaleUp policies: %s is at %s with a target of %s", hpa.Name, l.metric, l.now, l.goal)
		f.Fixes = []analyzers.Fix{edit(p, hpa, "Let its scaleUp policies add more pods in a period")}
	default:
		return false
	}
	f.Evidence = []analyzers.Evidence{conditionProof(hpa, limited)}
	if data, err := json.Marshal(b); err == nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(hpa).String(), Path: "spec.behavior", Quote: analyzers.QuoteHead(string(data))})
	}
	return true
}

// slow is how long a scale-up may be limited by its rate: the default policy doubles the
// pods every 15 s.
const slow = 5 * time.Minute

func disabled(r *autoscalingv2.HPAScalingRules) bool {
	return r != nil && r.SelectPolicy != nil && *r.SelectPolicy == autoscalingv2.DisabledPolicySelect
}

func allow(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, direction string) analyzers.Fix {
	return analyzers.Fix{
		Why:  "Allow it, if it is not meant to be so",
		Argv: p.Kubectl(hpa.Namespace, "patch", "horizontalpodautoscaler", hpa.Name, "--type", "merge", "-p", fmt.Sprintf(`{"spec":{"behavior":{%q:{"selectPolicy":"Max"}}}}`, direction)),
	}
}

// unheard is about replicas that it asked for and that do not come: the workload's own
// findings tell why.
func unheard(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, f *analyzers.Finding) bool {
	o, ok := targetOf(p.Snapshot, hpa)
	scaled := hpa.Status.LastScaleTime
	if !ok || scaled == nil || p.Since(scaled.Time) < resync {
		return false
	}
	wants, counted := cluster.Replicas(o)
	if !counted || hpa.Status.DesiredReplicas != wants || wants <= minReplicas(hpa) {
		return false
	}
	created, waiting := int32(0), int32(0)
	for _, pod := range running(p.PodsOf(o)) {
		created++
		if stage, _ := p.Unready(pod); pod.Spec.NodeName == "" && stage == cluster.Stuck {
			waiting++
		}
	}
	t := target(hpa)
	switch {
	case created < wants && failing(o):
		f.Summary = fmt.Sprintf("Autoscaler %s asked for more replicas of %s %s, and they are not created", hpa.Name, t.Kind, t.Name)
	case waiting > 0:
		f.Summary = fmt.Sprintf("Autoscaler %s asked for more replicas of %s %s, and no node takes them", hpa.Name, t.Kind, t.Name)
	default:
		return false
	}
	f.CausedBy = []analyzers.Ref{cluster.RefOf(o)}
	f.Evidence = []analyzers.Evidence{
		{Source: cluster.RefOf(hpa).String(), Path: "status.desiredReplicas", Quote: fmt.Sprintf("desired: %d", wants), At: scaled.Time},
		{Source: cluster.RefOf(o).String(), Path: "status", Quote: fmt.Sprintf("%d pods, of which %d wait for a node", created, waiting)},
	}
	f.Fixes = []analyzers.Fix{{Why: "Show why the pods do not come", Argv: p.Kubectl(hpa.Namespace, "describe", strings.ToLower(t.Kind), t.Name)}}
	return true
}

func failing(o cluster.Object) bool {
	d, ok := o.(*appsv1.Deployment)
	if !ok {
		return false
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}
