package admission

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unauthorized reports programs that end because the API server does not know who they
// are: no token is mounted, or it is one of a ServiceAccount that has been made anew.
var Unauthorized = &analyzers.Analyzer{
	Name: "admission/unauthorized",
	Doc:  `programs whose token the API server does not take, or that have none`,
	Needs: []schema.GroupKind{
		cluster.Pods, cluster.ServiceAccounts, cluster.Roles, cluster.RoleBindings, cluster.ClusterRoles, cluster.ClusterRoleBindings,
	},
	Emits: []analyzers.Code{notLetIn},
	Run:   unauthorized,
}

func unauthorized(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if pod.DeletionTimestamp != nil || !p.Stands(pod) {
			continue
		}
		for _, status := range cluster.ContainerStatuses(pod) {
			if r, ok := p.RefusedByAPI(pod, status); ok && r.Unauthorized {
				reportUnauthorized(p, pod, status, r)
			}
		}
	}
	return nil
}

func reportUnauthorized(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus, r cluster.Refusal) {
	root := p.Root(pod)
	f := analyzers.Finding{
		Code: notLetIn, Subject: root, Part: status.Name, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary:  fmt.Sprintf("API server does not take the credentials of container %s", status.Name),
		Evidence: []analyzers.Evidence{logEvidence(pod, status.Name, r.Line, r.Previous)},
	}
	sa, found := cluster.Find[*corev1.ServiceAccount](p.Snapshot, pod.Namespace, firstOf(pod.Spec.ServiceAccountName, "default"))
	switch {
	case !cluster.HasToken(pod, status.Name):
		w := anonymous(p, pod)
		f.Summary = fmt.Sprintf("Container %s asks the API server and has no token of a ServiceAccount", status.Name)
		if len(w.evidence) > 0 {
			f.Summary += ": automountServiceAccountToken is false"
		}
		f.Evidence, f.Fixes = append(f.Evidence, w.evidence...), w.fixes
	case found && sa.CreationTimestamp.After(pod.CreationTimestamp.Time):
		// A token is bound to the UID of its account (k8s.io/kubernetes
		// pkg/serviceaccount/claims.go, Validate).
		f.Summary = fmt.Sprintf("Token of container %s is of a former ServiceAccount %s, which was made anew after the pod", status.Name, sa.Name)
		f.Evidence = append(f.Evidence,
			analyzers.Evidence{Source: cluster.RefOf(sa).String(), Path: "metadata.creationTimestamp", Quote: "creationTimestamp: " + sa.CreationTimestamp.UTC().Format(time.RFC3339), At: sa.CreationTimestamp.Time},
			analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "metadata.creationTimestamp", Quote: "creationTimestamp: " + pod.CreationTimestamp.UTC().Format(time.RFC3339), At: pod.CreationTimestamp.Time})
		f.Fixes = []analyzers.Fix{restart(p, root, "Make the pods anew, so that they get a token of the present account")}
	default:
		f.Fixes = []analyzers.Fix{{Why: "Show which credentials the program uses: its ServiceAccount's token, or a kubeconfig of its own", Argv: p.Kubectl(pod.Namespace, "describe", "pod", pod.Name)}}
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	if end, _ := cluster.End(status); end != nil {
		f.Evidence = append(f.Evidence, endEvidence(pod, status, end))
	}
	p.Report(f)
}
