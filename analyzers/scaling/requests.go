package scaling

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// MissingRequests finds autoscalers that cannot compute a utilization because a container
// states no request.
var MissingRequests = &analyzers.Analyzer{
	Name: "scaling/missing-requests",
	Doc: `autoscalers that need a request which a container under the selector lacks

It says whose container it is: of the target's template, one that was injected into its
pods, or of another workload's pods that carry the same labels, such as a Job's.`,
	Needs: []schema.GroupKind{cluster.Autoscalers, cluster.Pods, cluster.Events, cluster.Deployments, cluster.StatefulSets},
	Emits: []analyzers.Code{noRequests},
	Run:   runMissingRequests,
}

// The controller's words (k8s.io/kubernetes pkg/controller/podautoscaler/replica_calculator.go).
var (
	requestWords  = regexp.MustCompile(`missing request for (\S+) in container (\S+) of Pod (\S+)$`)
	podLevelWords = regexp.MustCompile(`missing pod-level request for (\S+) in Pod (\S+)$`)
)

// A lack is a request that is missing; container is empty where the pod as a whole has
// requests, and not this one.
type lack struct{ resource, container, pod string }

func requestMissing(c complaint) *lack {
	if m := requestWords.FindStringSubmatch(c.text); m != nil {
		return &lack{m[1], m[2], m[3]}
	}
	if m := podLevelWords.FindStringSubmatch(c.text); m != nil {
		return &lack{m[1], "", m[2]}
	}
	return nil
}

func runMissingRequests(p *analyzers.Pass) error {
	for hpa := range cluster.Scoped[*autoscalingv2.HorizontalPodAutoscaler](p.Snapshot) {
		c, ok := complaintOf(p.Snapshot, hpa)
		if !ok || !c.forResource() {
			continue
		}
		if l := requestMissing(c); l != nil {
			lackingRequest(p, hpa, c, *l)
		}
	}
	return nil
}

func lackingRequest(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, c complaint, l lack) {
	pod, ok := cluster.Find[*corev1.Pod](p.Snapshot, hpa.Namespace, l.pod)
	if !ok && p.Sees(cluster.Pods, hpa.Namespace) {
		// The controller names whichever pod comes first. This one is gone; if others
		// have the same fault, one of them is named below.
		if pod = likewise(p, hpa, l); pod == nil {
			return
		}
	}
	if pod != nil && hasRequest(pod, l) {
		return // it was set meanwhile, and the controller looks again within 15 s
	}
	f := analyzers.Finding{Code: noRequests, Subject: cluster.RefOf(hpa), Part: l.container, Evidence: []analyzers.Evidence{c.proof}}
	if c.partly {
		f.Severity = analyzers.Warning
	}
	where := target(hpa)
	o, found := targetOf(p.Snapshot, hpa)
	switch {
	case l.container == "":
		f.Summary = fmt.Sprintf("Autoscaler %s needs the %s request of the pods, and their pod-level requests leave it out, %s", hpa.Name, resourceName(l.resource), c.stops())
		f.Fixes = []analyzers.Fix{{Why: "Add it to spec.template.spec.resources.requests", Argv: p.Kubectl(where.Namespace, "edit", strings.ToLower(where.Kind), where.Name)}}
	case pod != nil && found && p.Root(pod) != p.Root(o):
		foreign(p, &f, pod, o, l)
	case found && injected(o, l.container):
		f.Summary = fmt.Sprintf("Container %s, injected into the pods of %s %s, has no %s request, so autoscaler %s does not scale", l.container, where.Kind, where.Name, resourceName(l.resource), hpa.Name)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: "spec.template.spec.containers[*].name", Quote: "containers: " + containerNames(o)})
		f.Fixes = injectedFixes(p, hpa, o, l)
	default:
		f.Summary = fmt.Sprintf("Container %s of %s %s has no %s request, so autoscaler %s cannot compute its utilization", l.container, where.Kind, where.Name, resourceName(l.resource), hpa.Name)
		f.Fixes = []analyzers.Fix{setRequest(p, where, l, found)}
	}
	if pod != nil {
		f.Affected = []analyzers.Ref{where}
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "spec.containers[" + l.container + "].resources.requests", Quote: "requests: " + requestsText(pod, l.container)})
	}
	report(p, f)
}

// foreign is about a pod of another workload under the target's selector: a Job that
// copied its labels, a canary. Pods that have ended count, too.
func foreign(p *analyzers.Pass, f *analyzers.Finding, pod *corev1.Pod, o cluster.Object, l lack) {
	root := p.Root(pod)
	state := "has"
	if cluster.PodFinished(pod) {
		state = "has ended and has"
	}
	f.Summary = fmt.Sprintf("The selector of %s %s also matches pods of %s %s, whose container %s has no %s request",
		o.GetObjectKind().GroupVersionKind().Kind, o.GetName(), root.Kind, root.Name, l.container, resourceName(l.resource))
	f.Evidence = append(f.Evidence, analyzers.Evidence{
		Source: cluster.RefOf(pod).String(), Path: "metadata.labels",
		Quote: fmt.Sprintf("labels: %s; phase %s, %s no request", labelsText(selectorOf(o), pod.Labels), pod.Status.Phase, state),
	})
	if cluster.PodFinished(pod) {
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  fmt.Sprintf("Give the pods of %s labels of their own, and let them go when they have ended (ttlSecondsAfterFinished of a Job)", root.Name),
			Argv: p.Kubectl(root.Namespace, "edit", strings.ToLower(root.Kind), root.Name),
		})
		return
	}
	f.Fixes = append(f.Fixes, setRequest(p, root, l, true), analyzers.Fix{
		Why:  fmt.Sprintf("Or give the pods of %s labels that the selector of %s does not match", root.Name, o.GetName()),
		Argv: p.Kubectl(root.Namespace, "edit", strings.ToLower(root.Kind), root.Name),
	})
}

// likewise finds another pod of the target with the same fault.
func likewise(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, l lack) *corev1.Pod {
	o, ok := targetOf(p.Snapshot, hpa)
	if !ok {
		return nil
	}
	for _, pod := range running(p.PodsOf(o)) {
		if !hasRequest(pod, l) {
			return pod
		}
	}
	return nil
}

func hasRequest(pod *corev1.Pod, l lack) bool {
	if l.container == "" {
		return pod.Spec.Resources != nil && has(pod.Spec.Resources.Requests, l.resource)
	}
	c, _, ok := cluster.Container(&pod.Spec, l.container)
	return ok && has(c.Resources.Requests, l.resource)
}

func has(list corev1.ResourceList, name string) bool {
	_, ok := list[corev1.ResourceName(name)]
	return ok
}

// injected reports whether a container is in the pods and not in the template.
func injected(o cluster.Object, container string) bool {
	t, ok := cluster.Template(o)
	if !ok {
		return false
	}
	_, _, in := cluster.Container(&t.Spec, container)
	return !in
}

// injectedFixes sets the request where an injector takes it from, if it is a known one.
func injectedFixes(p *analyzers.Pass, hpa *autoscalingv2.HorizontalPodAutoscaler, o cluster.Object, l lack) []analyzers.Fix {
	ref := cluster.RefOf(o)
	var out []analyzers.Fix
	// https://istio.io/latest/docs/reference/config/annotations/ and
	// https://linkerd.io/2-edge/reference/proxy-configuration/
	annotation := map[string]string{"istio-proxy": "sidecar.istio.io/proxy" + upper(l.resource), "linkerd-proxy": "config.linkerd.io/proxy-" + l.resource + "-request"}[l.container]
	if annotation != "" {
		data, _ := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: amount(l.resource)}}}}})
		out = append(out, analyzers.Fix{
			Why:  "Set the request of the injected container by its annotation",
			Argv: p.Kubectl(ref.Namespace, "patch", strings.ToLower(ref.Kind), ref.Name, "--type", "strategic", "-p", string(data)),
		})
	} else {
		out = append(out, analyzers.Fix{Why: "Set the request in the settings of what injects the container; a LimitRange with defaultRequest does it for the whole namespace", Argv: p.Kubectl(ref.Namespace, "get", "limitrange")})
	}
	if names := ownNames(o); len(names) == 1 {
		for i, m := range hpa.Spec.Metrics {
			if m.Resource == nil || string(m.Resource.Name) != l.resource || m.Resource.Target.AverageUtilization == nil {
				continue
			}
			patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/metrics/%d","value":{"type":"ContainerResource","containerResource":{"name":%q,"container":%q,"target":{"type":"Utilization","averageUtilization":%d}}}}]`,
				i, l.resource, names[0], *m.Resource.Target.AverageUtilization)
			out = append(out, analyzers.Fix{Why: "Or measure container " + names[0] + " alone", Argv: p.Kubectl(hpa.Namespace, "patch", "horizontalpodautoscaler", hpa.Name, "--type", "json", "-p", patch)})
			break
		}
	}
	return out
}

func upper(resource string) string {
	if resource == "cpu" {
		return "CPU"
	}
	return "Memory"
}

// amount is a modest request to begin with; the program's use is not in the objects.
func amount(resource string) string {
	if resource == "cpu" {
		return "100m"
	}
	return "128Mi"
}

func setRequest(p *analyzers.Pass, ref analyzers.Ref, l lack, patch bool) analyzers.Fix {
	f := analyzers.Fix{
		Why:  fmt.Sprintf("Set the %s request of container %s; %s is an amount to begin with", resourceName(l.resource), l.container, amount(l.resource)),
		Argv: p.Kubectl(ref.Namespace, "set", "resources", ref.Short(), "--containers="+l.container, "--requests="+l.resource+"="+amount(l.resource)),
	}
	if patch && (ref.Kind == "Deployment" || ref.Kind == "StatefulSet" || ref.Kind == "ReplicaSet") {
		data, _ := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": l.container, "resources": map[string]any{"requests": map[string]string{l.resource: amount(l.resource)}}},
		}}}}})
		f.Patch = &analyzers.Patch{Target: ref, Data: data}
	}
	return f
}

func ownNames(o cluster.Object) []string {
	t, ok := cluster.Template(o)
	if !ok {
		return nil
	}
	return own(t)
}

func containerNames(o cluster.Object) string { return strings.Join(ownNames(o), ", ") }

func requestsText(pod *corev1.Pod, container string) string {
	list := corev1.ResourceList{}
	if c, _, ok := cluster.Container(&pod.Spec, container); ok {
		list = c.Resources.Requests
	} else if pod.Spec.Resources != nil {
		list = pod.Spec.Resources.Requests
	}
	var words []string
	for name, q := range list {
		words = append(words, string(name)+" "+q.String())
	}
	slices.Sort(words)
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// labelsText are those of labels that a selector asks for.
func labelsText(selector *metav1.LabelSelector, labels map[string]string) string {
	var words []string
	if selector != nil {
		for k := range selector.MatchLabels {
			words = append(words, k+"="+labels[k])
		}
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}
