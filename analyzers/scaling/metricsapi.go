package scaling

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// The groups that autoscalers read, each served by an adapter behind an APIService.
const (
	resourceGroup = "metrics.k8s.io"
	customGroup   = "custom.metrics.k8s.io"
	externalGroup = "external.metrics.k8s.io"
)

// apiService are the fields of an APIService that matter here.
type apiService struct {
	Spec struct {
		Group   string `json:"group"`
		Service *struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"service"`
	} `json:"spec"`
	Status struct {
		Conditions []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// A metricsAPI is one of these groups and what serves it.
type metricsAPI struct {
	group     string
	ref       analyzers.Ref // its APIService, which need not exist
	exists    bool
	absent    bool // it certainly does not exist
	service   analyzers.Ref
	available *metav1.Condition
}

// apiOf finds what serves a group. Of several versions one that is available counts.
func apiOf(s *cluster.Snapshot, group string) metricsAPI {
	return cluster.Derive(s, "scaling.api."+group, func() metricsAPI {
		api := metricsAPI{group: group, ref: analyzers.Ref{APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService", Name: "v1beta1." + group}}
		for o := range cluster.Of(s, cluster.APIServices) {
			if !strings.HasSuffix(o.GetName(), "."+group) {
				continue
			}
			as, err := cluster.As[apiService](o)
			if err != nil || as.Spec.Group != group || api.up() {
				continue
			}
			api.ref, api.exists, api.available, api.service = cluster.RefOf(o), true, nil, analyzers.Ref{}
			if as.Spec.Service != nil {
				api.service = analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: as.Spec.Service.Namespace, Name: as.Spec.Service.Name}
			}
			for i := range as.Status.Conditions {
				if as.Status.Conditions[i].Type == "Available" {
					api.available = &as.Status.Conditions[i]
				}
			}
		}
		api.absent = !api.exists && s.Sees(cluster.APIServices, "")
		return api
	})
}

func (a metricsAPI) up() bool {
	return a.available != nil && a.available.Status == metav1.ConditionTrue
}

// outage is how long an adapter may be down while it is started or updated: metrics-server
// answers its readiness probe after 20 s and one or two measurements.
const outage = 2 * time.Minute

// broken reports whether an API that is registered does not answer, and not just because
// what serves it is being started.
func (a metricsAPI) broken(s *cluster.Snapshot) bool {
	if !a.exists || a.available == nil || a.available.Status == metav1.ConditionTrue {
		return false
	}
	switch a.available.Reason {
	case "ServiceNotFound", "ServicePortError":
		return s.Since(a.available.LastTransitionTime.Time) > 10*time.Second
	}
	if s.Since(a.available.LastTransitionTime.Time) < outage {
		return false
	}
	b, _ := backendOf(s, a)
	return !slices.ContainsFunc(b.pods, func(pod *corev1.Pod) bool {
		stage, _ := s.Unready(pod)
		return stage == cluster.Starting || stage == cluster.Late
	})
}

// proof is the condition of the APIService.
func (a metricsAPI) proof() analyzers.Evidence {
	if a.available == nil {
		return analyzers.Evidence{Source: a.ref.String(), Path: "metadata.name", Quote: "not found"}
	}
	return analyzers.Evidence{
		Source: a.ref.String(), Path: "status.conditions[Available]", At: a.available.LastTransitionTime.Time,
		Quote: analyzers.Quote(fmt.Sprintf("%s %s: %s", a.available.Status, a.available.Reason, a.available.Message)),
	}
}

// causes names what stands behind a group, for CausedBy.
func (a metricsAPI) causes(s *cluster.Snapshot) []analyzers.Ref {
	out := []analyzers.Ref{a.ref}
	if b, ok := backendOf(s, a); ok && !b.workload.IsZero() {
		out = append(out, b.workload)
	}
	return out
}

// A backend is what runs behind the Service of an API.
type backend struct {
	service  *corev1.Service
	workload analyzers.Ref
	object   cluster.Object // of workload, if the Snapshot has it
	pods     []*corev1.Pod
}

// backendOf finds the Service and the workload that serve an API; ok is false without the
// Service.
func backendOf(s *cluster.Snapshot, a metricsAPI) (backend, bool) {
	b := cluster.Derive(s, "scaling.backend."+a.group, func() backend { return findBackend(s, a) })
	return b, b.service != nil
}

func findBackend(s *cluster.Snapshot, a metricsAPI) backend {
	svc, ok := cluster.Find[*corev1.Service](s, a.service.Namespace, a.service.Name)
	if !ok {
		return backend{}
	}
	b := backend{service: svc}
	for _, pod := range s.PodsWith(svc.Namespace, svc.Spec.Selector) {
		if pod.DeletionTimestamp == nil && !cluster.PodFinished(pod) {
			b.pods = append(b.pods, pod)
		}
	}
	if len(b.pods) > 0 {
		b.workload, b.object = s.Root(b.pods[0]), s.RootObject(b.pods[0])
		return b
	}
	if len(svc.Spec.Selector) == 0 {
		return b
	}
	for _, w := range s.Workloads(svc.Namespace) {
		if t, ok := cluster.Template(w); ok && covers(svc.Spec.Selector, t.Labels) {
			b.workload, b.object = cluster.RefOf(w), w
			break
		}
	}
	return b
}

func covers(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// unready says why none of the pods takes traffic; ok is false when one does.
func (b backend) unready(s *cluster.Snapshot) (why string, ok bool) {
	for _, pod := range b.pods {
		stage, w := s.Unready(pod)
		if stage == cluster.Ready {
			return "", false
		}
		if why == "" {
			why = w
		}
	}
	return why, true
}
