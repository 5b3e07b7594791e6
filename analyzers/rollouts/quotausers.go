package rollouts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A user takes up a part of a quota.
type user struct {
	ref    analyzers.Ref
	amount resource.Quantity
}

// usersOf are the workloads that take up a resource of a quota, the greatest first. A
// quota with scopes counts only some pods, which are not told apart here.
func usersOf(p *analyzers.Pass, quota *corev1.ResourceQuota, name corev1.ResourceName) []user {
	if len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil {
		return nil
	}
	sums := map[analyzers.Ref]resource.Quantity{}
	add := func(o cluster.Object, q resource.Quantity) {
		root := p.Root(o)
		sum := sums[root]
		sum.Add(q)
		sums[root] = sum
	}
	one := *resource.NewQuantity(1, resource.DecimalSI)
	switch name {
	case "count/jobs.batch":
		for job := range cluster.In[*batchv1.Job](p.Snapshot, quota.Namespace) {
			add(job, one)
		}
	case "persistentvolumeclaims", "count/persistentvolumeclaims", "requests.storage":
		for claim := range cluster.In[*corev1.PersistentVolumeClaim](p.Snapshot, quota.Namespace) {
			if q := claim.Spec.Resources.Requests[corev1.ResourceStorage]; name == "requests.storage" {
				add(claim, q)
			} else {
				add(claim, one)
			}
		}
	default:
		for pod := range cluster.In[*corev1.Pod](p.Snapshot, quota.Namespace) {
			if q, ok := podUse(pod, name); ok {
				add(pod, q)
			}
		}
	}
	var out []user
	for ref, q := range sums {
		if q.Sign() > 0 {
			out = append(out, user{ref, q})
		}
	}
	slices.SortFunc(out, func(a, b user) int { return cmp.Or(b.amount.Cmp(a.amount), analyzers.CompareRefs(a.ref, b.ref)) })
	return out
}

// podUse is what a pod counts for (k8s.io/kubernetes pkg/quota/v1/evaluator/core/pods.go):
// a finished one only as an object. Containers alone: init containers rarely ask for more.
func podUse(pod *corev1.Pod, name corev1.ResourceName) (sum resource.Quantity, ok bool) {
	if name == "count/pods" || name == "pods" && !cluster.PodFinished(pod) {
		return *resource.NewQuantity(1, resource.DecimalSI), true
	}
	if cluster.PodFinished(pod) {
		return sum, false
	}
	text, limits := strings.CutPrefix(string(name), "limits.")
	for _, c := range pod.Spec.Containers {
		list := c.Resources.Requests
		if limits {
			list = c.Resources.Limits
		}
		if q, found := list[corev1.ResourceName(strings.TrimPrefix(text, "requests."))]; found {
			sum.Add(q)
			ok = true
		}
	}
	return sum, ok
}

// mostBy names the greatest user in a summary, if there is one, unless it is the workload
// itself.
func mostBy(users []user, self analyzers.Ref) string {
	if len(users) == 0 || users[0].ref == self || len(users) > 1 && users[0].amount.Cmp(users[1].amount) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s by %s %s)", users[0].amount.String(), users[0].ref.Kind, users[0].ref.Name)
}

func usersText(users []user) string {
	var words []string
	for _, u := range users[:min(len(users), 4)] {
		words = append(words, fmt.Sprintf("%s %s: %s", u.ref.Kind, u.ref.Name, u.amount.String()))
	}
	if len(users) > 4 {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}

// finished makes room where Jobs are counted: those that have ended count until they are
// deleted.
func finished(p *analyzers.Pass, r refusal, name corev1.ResourceName) []analyzers.Fix {
	if name != "count/jobs.batch" && name != "count/pods" {
		return nil
	}
	for job := range cluster.In[*batchv1.Job](p.Snapshot, r.namespace()) {
		if _, _, owned := p.Owner(job); !owned && cluster.JobIs(job, batchv1.JobComplete) && job.Spec.TTLSecondsAfterFinished == nil {
			return []analyzers.Fix{{
				Why:  "Remove the Jobs that have completed, and have the next ones removed by themselves (ttlSecondsAfterFinished)",
				Argv: p.Kubectl(r.namespace(), "delete", "jobs", "--field-selector", "status.successful=1"),
			}}
		}
	}
	return nil
}
