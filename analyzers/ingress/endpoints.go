package ingress

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoEndpoints finds Ingresses whose Service has no pod that answers.
var NoEndpoints = &analyzers.Analyzer{
	Name: "ingress/no-endpoints",
	Doc: `Ingresses that lead to a Service without a ready endpoint

Users get 503 from the controller. What keeps the pods from being ready is another
finding, and this one follows from it. Pods that are just starting are given the time
that their probes allow.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.Services, cluster.Pods, cluster.EndpointSlices},
	Emits: []analyzers.Code{noEndpoints},
	Run:   noReadyEndpoints,
}

// createTime is what it takes until the pods of one kubectl apply are there.
const createTime = time.Minute

func noReadyEndpoints(p *analyzers.Pass) error {
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		if in.DeletionTimestamp != nil || solver(in) {
			continue
		}
		seen := map[string]bool{}
		for _, r := range routes(in) {
			if seen[r.to.Name] {
				continue
			}
			seen[r.to.Name] = true
			svc, ok := cluster.Find[*corev1.Service](p.Snapshot, in.Namespace, r.to.Name)
			if !ok || svc.DeletionTimestamp != nil || svc.Spec.PublishNotReadyAddresses {
				continue
			}
			if ready, _, known := p.Serving(svc); known && ready == 0 {
				reportSilent(p, in, r, svc)
			}
		}
	}
	return nil
}

func reportSilent(p *analyzers.Pass, in *networkingv1.Ingress, r route, svc *corev1.Service) {
	// Without a selector somebody else writes the endpoints: there is nothing to wait
	// for, and nobody but that one knows why there are none.
	why, severity, silent := "nobody wrote endpoints for it", analyzers.Error, true
	if len(svc.Spec.Selector) > 0 {
		why, severity, silent = silence(p.Snapshot, svc)
	}
	if !silent {
		return
	}
	p.Report(analyzers.Finding{
		Code:     noEndpoints,
		Severity: severity,
		Subject:  cluster.RefOf(in),
		Part:     svc.Name,
		Summary:  fmt.Sprintf("Service %s behind %s has no ready endpoint: %s", svc.Name, r.where(), why),
		Evidence: []analyzers.Evidence{
			on(in, r.field+".service.name", "name: "+svc.Name),
			{Source: cluster.RefOf(svc).String(), Path: "endpoints", Quote: "ready endpoints: 0"},
		},
		CausedBy: []analyzers.Ref{cluster.RefOf(svc)},
		Shared:   fmt.Sprintf("Service %s/%s has no ready endpoint", svc.Namespace, svc.Name),
		Fixes:    []analyzers.Fix{{Why: "Show the Service and its endpoints", Argv: p.Kubectl(in.Namespace, "describe", "service", svc.Name)}},
	})
}

// silence tells why a Service has no ready pod; silent is false while it may yet come.
func silence(s *cluster.Snapshot, svc *corev1.Service) (why string, severity analyzers.Severity, silent bool) {
	var worst cluster.Stage
	pods := s.PodsWith(svc.Namespace, svc.Spec.Selector)
	if !s.Sees(cluster.Pods, svc.Namespace) {
		return "its pods are not known", analyzers.Error, true
	}
	live := false
	for _, pod := range pods {
		switch {
		case cluster.PodReady(pod): // the endpoints are about to follow
			return "", "", false
		case cluster.PodFinished(pod):
			continue
		case pod.DeletionTimestamp != nil:
			if s.Since(pod.DeletionTimestamp.Time) < createTime {
				return "", "", false // being replaced
			}
			continue
		}
		live = true
		if stage, text := s.Unready(pod); stage > worst {
			worst, why = stage, text
		}
	}
	switch {
	case live && worst < cluster.Late:
		return "", "", false
	case live && worst == cluster.Late:
		return why, analyzers.Warning, true
	case live:
		return why, analyzers.Error, true
	case s.Since(svc.CreationTimestamp.Time) < createTime && !svc.CreationTimestamp.IsZero():
		return "", "", false
	}
	for _, w := range s.Workloads(svc.Namespace) {
		t, ok := cluster.Template(w)
		if !ok || !cluster.Selects(svc.Spec.Selector, t.Labels) {
			continue
		}
		ref := cluster.RefOf(w)
		switch n, counts := cluster.Replicas(w); {
		case counts && n == 0:
			// Somebody turned it off; users who ask nevertheless get an error.
			return fmt.Sprintf("%s %s is scaled to 0", ref.Kind, ref.Name), analyzers.Warning, true
		case s.Since(w.GetCreationTimestamp().Time) < createTime:
			return "", "", false
		default:
			return fmt.Sprintf("%s %s has no pods", ref.Kind, ref.Name), analyzers.Error, true
		}
	}
	return "its selector matches no pod", analyzers.Error, true
}
