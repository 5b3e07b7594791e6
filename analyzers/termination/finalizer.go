package termination

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Finalizer reports objects that have been deleted long ago and are held by a finalizer.
var Finalizer = &analyzers.Analyzer{
	Name: "termination/finalizer",
	Doc: `objects of any kind that are deleted and held by a finalizer

Within minutes a finalizer does its work; a pod within its grace period is not even due.
Claims and volumes are judged by storage, which knows who uses them, and what lies in a
namespace that is itself being deleted is told of with the namespace.`,
	Needs: append(heldKinds(), cluster.Namespaces),
	Emits: []analyzers.Code{heldByFinalizer},
	Run:   finalizers,
}

// held are the built-in kinds that controllers put finalizers on. Others could bear one too;
// but what is read must be readable, and many may not list Secrets or roles.
var held = []schema.GroupKind{
	cluster.Pods, cluster.Services, cluster.ConfigMaps, cluster.Nodes, cluster.Deployments, cluster.ReplicaSets, cluster.StatefulSets,
	cluster.DaemonSets, cluster.Jobs, cluster.CronJobs, cluster.Ingresses, cluster.ServiceAccounts,
}

// heldKinds are those and all of other projects.
func heldKinds() []schema.GroupKind {
	out := slices.Clone(held)
	for _, k := range cluster.Kinds() {
		if k.Custom() {
			out = append(out, k.GroupKind())
		}
	}
	return out
}

const (
	// patience is what a finalizer may take; a load balancer takes some minutes, and a node
	// is drained first.
	patience, drain = 5 * time.Minute, time.Hour
	// overdue is how long a pod may outlast its grace period: the kubelet tears down
	// volumes and reports.
	overdue = time.Minute
)

func finalizers(p *analyzers.Pass) error {
	for _, gk := range heldKinds() {
		for o := range cluster.ScopedOf(p.Snapshot, gk) {
			if t := o.GetDeletionTimestamp(); t == nil || len(o.GetFinalizers()) == 0 || leaving(p, o.GetNamespace()) {
				continue
			}
			if pod, ok := o.(*corev1.Pod); ok {
				if p.Since(pod.DeletionTimestamp.Time) > overdue && ended(pod) {
					reportHolding(p, o, p.Root(pod), finalizersOf(o))
				}
				continue
			}
			limit := patience
			if gk == cluster.Nodes {
				limit = drain
			}
			if p.Since(o.GetDeletionTimestamp().Time) > limit && !endingPods(p, o) {
				reportHolding(p, o, cluster.RefOf(o), finalizersOf(o))
			}
		}
	}
	return nil
}

// leaving reports whether a namespace is being deleted for so long that it has a finding.
func leaving(p *analyzers.Pass, namespace string) bool {
	ns, ok := cluster.Find[*corev1.Namespace](p.Snapshot, "", namespace)
	return ok && ns.DeletionTimestamp != nil
}

// endingPods reports whether an object that goes after what it owns waits for pods within
// their grace period.
func endingPods(p *analyzers.Pass, o cluster.Object) bool {
	return slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents) && slices.ContainsFunc(p.PodsOf(o), func(pod *corev1.Pod) bool {
		return pod.DeletionTimestamp != nil && p.Since(pod.DeletionTimestamp.Time) <= overdue
	})
}

// ended reports whether no container of a pod runs any more.
func ended(pod *corev1.Pod) bool {
	return !slices.ContainsFunc(cluster.ContainerStatuses(pod), func(s corev1.ContainerStatus) bool { return s.State.Running != nil })
}

func finalizersOf(o cluster.Object) []string {
	list := slices.Clone(o.GetFinalizers())
	// The garbage collector waits for what the object owns; it is not its own to hold.
	if i := slices.Index(list, metav1.FinalizerDeleteDependents); i >= 0 && len(list) > 1 {
		list = slices.Delete(list, i, i+1)
	}
	return list
}

func reportHolding(p *analyzers.Pass, o cluster.Object, subject analyzers.Ref, list []string) {
	ref, name := cluster.RefOf(o), list[0]
	f := analyzers.Finding{
		Code: heldByFinalizer, Severity: analyzers.Warning, Subject: subject, Part: name, Affected: []analyzers.Ref{ref},
		Evidence: []analyzers.Evidence{
			{Source: ref.String(), Path: "metadata.finalizers", Quote: "finalizers: " + strings.Join(list, ", ")},
			{Source: ref.String(), Path: "metadata.deletionTimestamp", Quote: "deletionTimestamp: " + o.GetDeletionTimestamp().UTC().Format(time.RFC3339), At: o.GetDeletionTimestamp().Time},
		},
	}
	what := ref.Kind + " " + ref.Name
	pod, isPod := o.(*corev1.Pod)
	if isPod {
		what = "A deleted pod"
		// The controller of a StatefulSet makes no pod while one of the same name is there.
		if subject.Kind == "StatefulSet" {
			f.Severity = analyzers.Error
			what = fmt.Sprintf("Deleted pod %s, whose name its successor needs,", pod.Name)
		}
	} else {
		what += " is deleted and"
	}
	f.Summary = analyzers.Line(fmt.Sprintf("%s is held by finalizer %s%s", what, name, keeper(name)), analyzers.MaxSummary)
	f.Summary = strings.Replace(f.Summary, "and is held", "and held", 1)
	if name == metav1.FinalizerDeleteDependents {
		if held := dependents(p, o); len(held) > 0 {
			f.CausedBy = held
			f.Summary = analyzers.Line(fmt.Sprintf("%s waits for what it owns to go: %s", what, refsText(held)), analyzers.MaxSummary)
		}
	}
	f.Fixes = []analyzers.Fix{
		{Why: fmt.Sprintf("Bring back the controller that takes %s off%s", name, keeper(name)), Argv: p.Kubectl(ref.Namespace, "get", strings.ToLower(ref.Kind), ref.Name, "-o", "yaml")},
		{
			Why:  "Only if that controller is gone for good and what it cleans up has been cleaned up by hand: take the finalizer off",
			Argv: p.Kubectl(ref.Namespace, "patch", strings.ToLower(ref.Kind), ref.Name, "--type", "json", "-p", removal(o, name)),
		},
	}
	p.Report(f)
}

// dependents are the objects that are owned with blockOwnerDeletion
// (k8s.io/kubernetes pkg/controller/garbagecollector).
func dependents(p *analyzers.Pass, o cluster.Object) []analyzers.Ref {
	var out []analyzers.Ref
	for _, child := range p.Owned(o) {
		if c := metav1.GetControllerOfNoCopy(child); c != nil && c.BlockOwnerDeletion != nil && *c.BlockOwnerDeletion {
			out = append(out, cluster.RefOf(child))
		}
	}
	return out
}

func refsText(refs []analyzers.Ref) string {
	var words []string
	for _, r := range refs[:min(len(refs), 3)] {
		words = append(words, r.Kind+" "+r.Name)
	}
	if len(refs) > 3 {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}

func removal(o cluster.Object, name string) string {
	return fmt.Sprintf(`[{"op":"remove","path":"/metadata/finalizers/%d"}]`, slices.Index(o.GetFinalizers(), name))
}

// keepers are the controllers behind well-known finalizers:
// k8s.io/api/batch/v1/types.go, k8s.io/cloud-provider service/helpers/helper.go, and the
// documentation of the projects.
var keepers = []struct{ prefix, who string }{
	{"batch.kubernetes.io/job-tracking", "the Job controller"},
	{metav1.FinalizerDeleteDependents, "the garbage collector"},
	{metav1.FinalizerOrphanDependents, "the garbage collector"},
	{"service.kubernetes.io/load-balancer-cleanup", "the cloud controller manager"},
	{"service.k8s.aws/", "the AWS Load Balancer Controller"},
	{"ingress.k8s.aws/", "the AWS Load Balancer Controller"},
	{"elbv2.k8s.aws/", "the AWS Load Balancer Controller"},
	{"networking.gke.io/", "the GKE controllers"},
	{"resources-finalizer.argocd.argoproj.io", "Argo CD"},
	{"finalizers.fluxcd.io", "Flux"},
	{"finalizer.acme.cert-manager.io", "cert-manager"},
	{"acme.cert-manager.io/", "cert-manager"},
	{"finalizer.keda.sh", "KEDA"},
	{"external-dns", "ExternalDNS"},
	{"karpenter.sh/", "Karpenter"},
	{"vpcresources.k8s.aws/", "the AWS VPC resource controller"},
	{"gateway.envoyproxy.io/", "Envoy Gateway"},
	{"gateway-exists-finalizer.gateway.networking.k8s.io", "the Gateway controller"},
}

// keeper is who takes a finalizer off, in parentheses.
func keeper(name string) string {
	for _, k := range keepers {
		if strings.HasPrefix(name, k.prefix) {
			return " (" + k.who + ")"
		}
	}
	return ""
}
