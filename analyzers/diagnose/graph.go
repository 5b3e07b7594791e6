package diagnose

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// graph answers what an object depends on. Edges are worked out when asked for: only
// objects near a finding are ever looked at.
type graph struct {
	s         *cluster.Snapshot
	verdicts  map[analyzers.Ref][]analyzers.Ref // see suffers
	workloads map[string][]cluster.Object       // by namespace
	edges     map[analyzers.Ref][]analyzers.Ref
}

func newGraph(s *cluster.Snapshot) *graph {
	return &graph{s: s, workloads: map[string][]cluster.Object{}, verdicts: map[analyzers.Ref][]analyzers.Ref{}, edges: map[analyzers.Ref][]analyzers.Ref{}}
}

// node is the vertex that stands for an object: that of its root owner.
func (g *graph) node(ref analyzers.Ref) analyzers.Ref {
	ref = canonical(ref)
	if o, ok := g.s.Get(ref); ok {
		ref = canonical(g.s.Root(o))
	}
	return ref
}

// canonical gives references from different sources the version of the table of kinds,
// so that they compare.
func canonical(ref analyzers.Ref) analyzers.Ref {
	k, ok := cluster.KindFor(ref.GroupKind())
	if !ok && ref.APIVersion == "" {
		k, ok = cluster.KindNamed(ref.Kind)
	}
	if ok {
		ref.APIVersion = k.GroupVersion().String()
	}
	return ref
}

// suffers adds an edge that no field of an object tells, only a check's verdict: a network
// policy selects the server's pods, and those who suffer are its clients.
func (g *graph) suffers(affected, from analyzers.Ref) {
	if a, to := g.node(affected), g.node(from); a != to {
		g.verdicts[a] = append(g.verdicts[a], to)
	}
}

// dependsOn returns the vertices that ref needs to work, in a stable order.
func (g *graph) dependsOn(ref analyzers.Ref) []analyzers.Ref {
	if out, ok := g.edges[ref]; ok {
		return out
	}
	var out []analyzers.Ref
	seen := map[analyzers.Ref]bool{ref: true}
	add := func(to analyzers.Ref) {
		if to = g.node(to); to.Name != "" && !seen[to] {
			seen[to] = true
			out = append(out, to)
		}
	}
	if o, ok := g.s.Get(ref); ok {
		g.visit(o, add)
	}
	for _, maker := range makers(g.s, ref) {
		add(maker)
	}
	for _, to := range g.verdicts[ref] {
		add(to)
	}
	g.edges[ref] = out
	return out
}

func (g *graph) visit(o cluster.Object, add func(analyzers.Ref)) {
	switch o := o.(type) {
	case *networkingv1.Ingress:
		for _, name := range cluster.Backends(o) {
			add(analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: o.Namespace, Name: name})
		}
		for _, tls := range o.Spec.TLS {
			add(analyzers.Ref{APIVersion: "v1", Kind: "Secret", Namespace: o.Namespace, Name: tls.SecretName})
		}
	case *corev1.Service:
		if len(o.Spec.Selector) > 0 {
			g.selected(o.Namespace, labels.SelectorFromSet(o.Spec.Selector), g.s.PodsWith(o.Namespace, o.Spec.Selector), add)
		}
	case *policyv1.PodDisruptionBudget:
		if sel, err := metav1.LabelSelectorAsSelector(o.Spec.Selector); err == nil && !sel.Empty() {
			g.selected(o.Namespace, sel, g.s.PodsSelected(o.Namespace, sel), add)
		}
	case *autoscalingv2.HorizontalPodAutoscaler:
		t := o.Spec.ScaleTargetRef
		add(analyzers.Ref{APIVersion: t.APIVersion, Kind: t.Kind, Namespace: o.Namespace, Name: t.Name})
	case *corev1.PersistentVolumeClaim:
		add(analyzers.Ref{APIVersion: "v1", Kind: "PersistentVolume", Name: o.Spec.VolumeName})
		if o.Spec.StorageClassName != nil {
			add(analyzers.Ref{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass", Name: *o.Spec.StorageClassName})
		}
	case *corev1.PersistentVolume:
		add(analyzers.Ref{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass", Name: o.Spec.StorageClassName})
		if o.Spec.CSI != nil {
			add(analyzers.Ref{APIVersion: "storage.k8s.io/v1", Kind: "CSIDriver", Name: o.Spec.CSI.Driver})
		}
	case *storagev1.StorageClass:
		add(analyzers.Ref{APIVersion: "storage.k8s.io/v1", Kind: "CSIDriver", Name: o.Provisioner})
	case *admissionv1.ValidatingWebhookConfiguration:
		for _, w := range o.Webhooks {
			addWebhook(w.ClientConfig, add)
		}
	case *admissionv1.MutatingWebhookConfiguration:
		for _, w := range o.Webhooks {
			addWebhook(w.ClientConfig, add)
		}
	case *unstructured.Unstructured:
		visitCustom(o, add)
	default:
		g.visitPods(o, add)
	}
}

func addWebhook(c admissionv1.WebhookClientConfig, add func(analyzers.Ref)) {
	if c.Service != nil {
		add(analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: c.Service.Namespace, Name: c.Service.Name})
	}
}

// visitPods adds what the pods of a workload that are not ready stand on. Those that
// are ready prove that their node and claims do no harm.
func (g *graph) visitPods(o cluster.Object, add func(analyzers.Ref)) {
	for _, pod := range g.s.PodsOf(o) {
		if cluster.PodReady(pod) || cluster.PodFinished(pod) {
			continue
		}
		if pod.Spec.NodeName != "" {
			add(analyzers.Ref{APIVersion: "v1", Kind: "Node", Name: pod.Spec.NodeName})
		}
		if class := pod.Spec.RuntimeClassName; class != nil {
			add(analyzers.Ref{APIVersion: "node.k8s.io/v1", Kind: "RuntimeClass", Name: *class})
		}
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim != nil {
				add(analyzers.Ref{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: pod.Namespace, Name: v.PersistentVolumeClaim.ClaimName})
			}
			if v.Ephemeral != nil { // k8s.io/component-helpers storage/ephemeral, VolumeClaimName
				add(analyzers.Ref{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: pod.Namespace, Name: pod.Name + "-" + v.Name})
			}
		}
	}
}

// selected adds the workloads of the selected pods, and those whose template a selector
// matches, which may have no pods.
func (g *graph) selected(namespace string, sel labels.Selector, pods []*corev1.Pod, add func(analyzers.Ref)) {
	for _, pod := range pods {
		add(cluster.RefOf(pod))
	}
	list, ok := g.workloads[namespace]
	if !ok {
		list = g.s.Workloads(namespace)
		g.workloads[namespace] = list
	}
	for _, w := range list {
		if t, ok := cluster.Template(w); ok && sel.Matches(labels.Set(t.Labels)) {
			add(cluster.RefOf(w))
		}
	}
}
