package termination

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Namespace reports namespaces that are being deleted and do not go, with what holds them.
var Namespace = &analyzers.Analyzer{
	Name: "termination/namespace",
	Doc: `namespaces that are being deleted and do not go

The namespace controller writes into conditions what it waits for. While that is only pods
within their grace period, all is well.`,
	Needs: namespaceKinds(),
	Emits: []analyzers.Code{namespaceStuck},
	Run:   namespaces,
}

// namespaceKinds are the kinds of which an object may be named that holds a namespace. The
// controller's conditions count those of all kinds.
func namespaceKinds() []schema.GroupKind {
	out := []schema.GroupKind{cluster.Namespaces, cluster.PersistentVolumeClaims}
	for _, gk := range heldKinds() {
		if k, ok := cluster.KindFor(gk); ok && k.Namespaced {
			out = append(out, gk)
		}
	}
	return out
}

const (
	// emptying is how long most namespaces take to be emptied, and emptied how long any
	// does: a load balancer or a disk takes minutes.
	emptying, emptied = 2 * time.Minute, 5 * time.Minute
)

func namespaces(p *analyzers.Pass) error {
	for ns := range cluster.All[*corev1.Namespace](p.Snapshot) {
		if ns.DeletionTimestamp == nil || !p.InScope(ns.Name) || p.Since(ns.DeletionTimestamp.Time) <= emptying {
			continue
		}
		ref := cluster.RefOf(ns)
		f := analyzers.Finding{Code: namespaceStuck, Subject: ref}
		if !holds(p, ns, &f) {
			continue
		}
		if p.Since(ns.DeletionTimestamp.Time) <= emptied {
			f.Severity = analyzers.Warning
		}
		f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: "metadata.deletionTimestamp", Quote: "deletionTimestamp: " + ns.DeletionTimestamp.UTC().Format(time.RFC3339), At: ns.DeletionTimestamp.Time})
		p.Report(f)
	}
	return nil
}

// What the namespace controller writes (k8s.io/kubernetes
// pkg/controller/namespace/deletion/status_condition_utils.go); the groups that fail are
// those of k8s.io/client-go discovery, ErrGroupDiscoveryFailed.
var (
	failedGroup = regexp.MustCompile(`\b([a-z0-9.-]+)/(v[0-9][0-9a-z]*): `)
	remaining   = regexp.MustCompile(`([a-z0-9]+)\.([a-z0-9.-]*) has (\d+) resource instances`)
	finalizing  = regexp.MustCompile(`([^\s,]+) in (\d+) resource instances`)
)

// holds writes what holds a namespace; false when it is only on its way.
func holds(p *analyzers.Pass, ns *corev1.Namespace, f *analyzers.Finding) bool {
	if c := namespaceCondition(ns, corev1.NamespaceDeletionDiscoveryFailure); c != nil {
		quote(ns, c, f)
		f.Summary = "Cannot be emptied: the API server cannot tell all kinds of objects there are"
		if m := failedGroup.FindStringSubmatch(c.Message); m != nil {
			service := analyzers.Ref{APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService", Name: m[2] + "." + m[1]}
			f.CausedBy = []analyzers.Ref{service}
			f.Shared = fmt.Sprintf("APIService %s does not answer, so that no namespace can be emptied", service.Name)
			f.Summary = fmt.Sprintf("Cannot be emptied: API group %s/%s does not answer (APIService %s)", m[1], m[2], service.Name)
			f.Fixes = []analyzers.Fix{
				{Why: "Show why the server behind this API group does not answer", Argv: p.Kubectl("", "describe", "apiservice", service.Name)},
				{Why: "If what served it has been removed for good: unregister the group", Argv: p.Kubectl("", "delete", "apiservice", service.Name)},
			}
		}
		return true
	}
	if c := namespaceCondition(ns, corev1.NamespaceDeletionContentFailure); c != nil {
		quote(ns, c, f)
		f.Summary = "Cannot be emptied: " + c.Message
		f.Fixes = []analyzers.Fix{show(p, ns)}
		return true
	}
	content := namespaceCondition(ns, corev1.NamespaceContentRemaining)
	finalizer := namespaceCondition(ns, corev1.NamespaceFinalizersRemaining)
	switch {
	case finalizer != nil:
		quote(ns, finalizer, f)
		if content != nil {
			quote(ns, content, f)
		}
	case content != nil:
		if onlyPods(content.Message) && !overduePods(p, ns, f) {
			return false
		}
		quote(ns, content, f)
	case len(ns.Finalizers) > 0:
		f.Summary = fmt.Sprintf("Is empty, and held by a finalizer of its own: %s%s", ns.Finalizers[0], keeper(ns.Finalizers[0]))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(ns).String(), Path: "metadata.finalizers", Quote: "finalizers: " + strings.Join(ns.Finalizers, ", ")})
		f.Fixes = []analyzers.Fix{{Why: "Bring back the controller of that finalizer, or take it off when it is gone for good", Argv: p.Kubectl("", "edit", "namespace", ns.Name)}}
		return true
	default:
		return false // no condition yet: the controller has not come to it
	}
	f.Summary = "Is held by " + whatRemains(finalizer, content)
	objects(p, ns, f)
	f.Fixes = append(f.Fixes, show(p, ns))
	return true
}

func namespaceCondition(ns *corev1.Namespace, t corev1.NamespaceConditionType) *corev1.NamespaceCondition {
	for i := range ns.Status.Conditions {
		if c := &ns.Status.Conditions[i]; c.Type == t && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

func quote(ns *corev1.Namespace, c *corev1.NamespaceCondition, f *analyzers.Finding) {
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(ns).String(), Path: "status.conditions[" + string(c.Type) + "]", Quote: analyzers.QuoteHead(c.Message), At: c.LastTransitionTime.Time})
}

// whatRemains says it in the controller's numbers: it counts kinds that nobody here reads.
func whatRemains(finalizer, content *corev1.NamespaceCondition) string {
	var words []string
	if content != nil {
		for _, m := range remaining.FindAllStringSubmatch(content.Message, 4) {
			kind := strings.TrimSuffix(m[1]+"."+m[2], ".")
			words = append(words, m[3]+" "+kind)
		}
	}
	text := strings.Join(words, ", ")
	if text == "" {
		text = "what is left in it"
	}
	if finalizer != nil {
		if m := finalizing.FindStringSubmatch(finalizer.Message); m != nil {
			text += fmt.Sprintf(" with finalizer %s%s", m[1], keeper(m[1]))
		}
	}
	return text
}

func onlyPods(message string) bool {
	all := remaining.FindAllStringSubmatch(message, -1)
	return len(all) > 0 && !slices.ContainsFunc(all, func(m []string) bool { return m[1] != "pods" || m[2] != "" })
}

// overduePods reports whether a pod of the namespace has outlasted its grace period.
func overduePods(p *analyzers.Pass, ns *corev1.Namespace, f *analyzers.Finding) bool {
	late := false
	for pod := range cluster.In[*corev1.Pod](p.Snapshot, ns.Name) {
		if pod.DeletionTimestamp != nil && p.Since(pod.DeletionTimestamp.Time) > overdue {
			late = true
			if root := p.Root(pod); !slices.Contains(f.CausedBy, root) {
				f.CausedBy = append(f.CausedBy, root)
			}
		}
	}
	return late
}

// objects names those of the namespace that are deleted and not gone, and proposes the way
// out for the first one.
func objects(p *analyzers.Pass, ns *corev1.Namespace, f *analyzers.Finding) {
	var names []string
	for _, gk := range namespaceKinds()[1:] {
		for o := range cluster.Of(p.Snapshot, gk) {
			if o.GetNamespace() != ns.Name || o.GetDeletionTimestamp() == nil || len(o.GetFinalizers()) == 0 {
				continue
			}
			ref := cluster.RefOf(o)
			names = append(names, ref.Kind+" "+ref.Name)
			if gk == cluster.PersistentVolumeClaims && !slices.Contains(f.CausedBy, ref) {
				f.CausedBy = append(f.CausedBy, ref) // its own check knows who uses it
			}
			if len(names) == 1 {
				f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: "metadata.finalizers", Quote: "finalizers: " + strings.Join(o.GetFinalizers(), ", ")})
				f.Fixes = append(f.Fixes, analyzers.Fix{
					Why:  "Bring back the controller of that finalizer; only if it is gone for good, take the finalizer off",
					Argv: p.Kubectl(ns.Name, "patch", strings.ToLower(ref.Kind), ref.Name, "--type", "json", "-p", removal(o, o.GetFinalizers()[0])),
				})
			}
		}
	}
	if len(names) > 0 {
		f.Affected = nil
		text := strings.Join(names[:min(len(names), 2)], ", ")
		if len(names) > 2 {
			text += ", …"
		}
		f.Summary += ": " + text
	}
}

func show(p *analyzers.Pass, ns *corev1.Namespace) analyzers.Fix {
	return analyzers.Fix{Why: "Show what the namespace controller waits for", Argv: p.Kubectl("", "get", "namespace", ns.Name, "-o", "jsonpath={.status.conditions}")}
}
