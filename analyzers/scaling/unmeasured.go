package scaling

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unmeasured finds autoscalers that get no CPU or memory use of their target.
var Unmeasured = &analyzers.Analyzer{
	Name: "scaling/unmeasured",
	Doc: `autoscalers that get no CPU or memory use of their target

It follows from the metrics API, or from pods that are not ready. In the first minutes of
a workload there are no metrics yet, and that is silent. A container that the autoscaler
names and the target does not have is a cause of its own.`,
	Needs: []schema.GroupKind{
		cluster.Autoscalers, cluster.Events, cluster.APIServices, cluster.Services, cluster.Pods, cluster.Nodes,
		cluster.Deployments, cluster.StatefulSets,
	},
	Emits: []analyzers.Code{unmeasured, noSuchContainer},
	Run:   runUnmeasured,
}

func runUnmeasured(p *analyzers.Pass) error {
	for hpa := range cluster.Scoped[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		c, ok := complaintOf(p.Snapshot, hpa)
		if !ok || !c.forResource() || requestMissing(c) != nil {
			continue
		}
		if wrongContainer(p, hpa, c) {
			continue
		}
		if strings.Contains(c.text, "unable to fetch metrics from resource metrics API: ") {
			apiSilent(p, hpa, c)
		} else {
			noSamples(p, hpa, c)
		}
	}
	return nil
}

// apiSilent is about an API that does not answer the autoscaler.
func apiSilent(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, c complaint) {
	api := apiOf(p.Snapshot, resourceGroup)
	f := analyzers.Finding{Code: unmeasured, Subject: cluster.RefOf(hpa), Evidence: []analyzers.Evidence{c.proof}, CausedBy: api.causes(p.Snapshot)}
	switch {
	case api.up() && p.Since(api.available.LastTransitionTime.Time) < firstMetrics:
		return // it is back, and the autoscaler is about to see it
	case notServed(c) && !api.exists:
		f.Summary = fmt.Sprintf("Autoscaler %s cannot read %s use: the metrics API is not installed", hpa.Name, c.resource())
	case api.broken(p.Snapshot):
		f.Summary = fmt.Sprintf("Autoscaler %s cannot read %s use: the metrics API is down", hpa.Name, c.resource())
	case c.since < firstMetrics:
		return
	default:
		_, words, _ := strings.Cut(c.text, "unable to fetch metrics from resource metrics API: ")
		f.Summary = fmt.Sprintf("Autoscaler %s cannot read %s use: %s", hpa.Name, c.resource(), words)
	}
	if c.since < resync {
		return
	}
	f.Fixes = []analyzers.Fix{{Why: "Show whether the metrics API answers, and why not", Argv: p.Kubectl("", "describe", "apiservice", api.ref.Name)}}
	report(p, f)
}

// noSamples is about an API that answers and has nothing about the target's pods: the
// words are "no metrics returned from resource metrics API", "did not receive metrics for
// targeted pods (pods might be unready)" and "no pods returned by selector while
// calculating replica count" (k8s.io/kubernetes pkg/controller/podautoscaler).
func noSamples(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, c complaint) {
	if c.since < firstMetrics {
		return
	}
	o, ok := targetOf(p.Snapshot, hpa)
	if !ok {
		return // then so is the target's state; another check tells of a missing one
	}
	api := apiOf(p.Snapshot, resourceGroup)
	f := analyzers.Finding{Code: unmeasured, Subject: cluster.RefOf(hpa), Evidence: []analyzers.Evidence{c.proof}}
	pods := running(p.PodsOf(o))
	var youngest time.Duration = -1
	ready, why := 0, ""
	for _, pod := range pods {
		stage, w := p.Unready(pod)
		if stage == cluster.Ready {
			ready++
			if cond := cluster.PodCondition(pod, corev1.PodReady); cond != nil {
				if age := p.Since(cond.LastTransitionTime.Time); youngest < 0 || age < youngest {
					youngest = age
				}
			}
		} else if why == "" && stage != cluster.Starting {
			why = w
		}
	}
	what := target(hpa)
	switch {
	case len(pods) == 0:
		f.Summary = fmt.Sprintf("Autoscaler %s has nothing to measure: %s %s has no pods", hpa.Name, what.Kind, what.Name)
		f.CausedBy = []analyzers.Ref{cluster.RefOf(o)}
	case ready == 0 && why == "":
		return // they are being started
	case ready == 0:
		f.Summary = fmt.Sprintf("Autoscaler %s has no %s use to go by: no pod of %s %s is ready, as %s", hpa.Name, c.resource(), what.Kind, what.Name, why)
		f.CausedBy = []analyzers.Ref{cluster.RefOf(o)}
	case youngest < firstMetrics:
		return
	default:
		f.Summary = fmt.Sprintf("Autoscaler %s gets no %s use of %s %s although its pods are ready", hpa.Name, c.resource(), what.Kind, what.Name)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: "pods", Quote: fmt.Sprintf("ready: %d of %d", ready, len(pods))})
		for _, s := range scrapeFailures(p.Snapshot) {
			if slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return pod.Spec.NodeName == s.node }) {
				f.CausedBy = []analyzers.Ref{p.Root(s.pod)}
				f.Evidence = append(f.Evidence, s.proof())
			}
		}
		f.Fixes = []analyzers.Fix{{Why: "Ask the metrics API for these pods", Argv: p.Kubectl(hpa.Namespace, "get", "podmetrics")}}
	}
	if len(f.Fixes) == 0 {
		f.Fixes = []analyzers.Fix{{Why: "Show the target and its pods", Argv: p.Kubectl(hpa.Namespace, "describe", strings.ToLower(what.Kind), what.Name)}}
	}
	if api.exists && !api.up() && len(f.CausedBy) == 0 {
		f.CausedBy = api.causes(p.Snapshot)
	}
	report(p, f)
}

// running leaves out pods that have ended or are about to go.
func running(pods []*corev1.Pod) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool {
		return pod.DeletionTimestamp != nil || cluster.PodFinished(pod)
	})
}

// wrongContainer reports a metric of a container that the target's pods do not have.
// Native sidecars and injected containers are in the pods, so the pods are asked too.
func wrongContainer(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, c complaint) bool {
	o, ok := targetOf(p.Snapshot, hpa)
	if !ok {
		return false
	}
	t, ok := cluster.Template(o)
	if !ok {
		return false
	}
	var names []string
	for _, ct := range cluster.Containers(&t.Spec) {
		names = append(names, ct.Name)
	}
	pods := running(p.PodsOf(o))
	for _, pod := range pods {
		for _, ct := range cluster.Containers(&pod.Spec) {
			names = append(names, ct.Name)
		}
	}
	for i, m := range hpa.Spec.Metrics {
		if m.ContainerResource == nil || slices.Contains(names, m.ContainerResource.Container) || len(pods) == 0 {
			continue
		}
		name := m.ContainerResource.Container
		f := analyzers.Finding{
			Code: noSuchContainer, Subject: cluster.RefOf(hpa), Part: name,
			Summary: fmt.Sprintf("Autoscaler %s measures container %s, which the pods of %s %s do not have", hpa.Name, name, target(hpa).Kind, target(hpa).Name),
			Evidence: []analyzers.Evidence{
				{Source: cluster.RefOf(hpa).String(), Path: fmt.Sprintf("spec.metrics[%d].containerResource.container", i), Quote: "container: " + name},
				{Source: cluster.RefOf(o).String(), Path: "spec.template.spec.containers[*].name", Quote: "containers: " + strings.Join(own(t), ", ")},
				c.proof,
			},
		}
		right, ok := meant(name, own(t))
		if !ok && len(own(t)) == 1 {
			right, ok = own(t)[0], true
		}
		if ok {
			patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/metrics/%d/containerResource/container","value":%q}]`, i, right)
			f.Fixes = []analyzers.Fix{{Why: "Measure container " + right, Argv: p.Kubectl(hpa.Namespace, "patch", "horizontalpodautoscaler", hpa.Name, "--type", "json", "-p", patch)}}
		} else {
			f.Fixes = []analyzers.Fix{edit(p, hpa, "Name a container that the pods have")}
		}
		report(p, f)
		return true
	}
	return false
}

// own are the containers of a template, without the init containers.
func own(t *corev1.PodTemplateSpec) []string {
	var out []string
	for _, c := range t.Spec.Containers {
		out = append(out, c.Name)
	}
	return out
}
