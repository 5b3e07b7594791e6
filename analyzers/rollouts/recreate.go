package rollouts

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Recreate notes Deployments of several pods behind a Service that are taken down as a
// whole at each update.
var Recreate = &analyzers.Analyzer{
	Name: "rollouts/recreate",
	Doc: `Deployments of which each update takes all pods away at once

A note. Left out are single pods, which somebody runs alone on purpose, and pods that
cannot run beside their successors: with a volume for one node, or a port of the node.`,
	Needs: []schema.GroupKind{cluster.Deployments, cluster.Services, cluster.PersistentVolumeClaims},
	Emits: []analyzers.Code{downtime},
	Run:   recreate,
}

func recreate(p *analyzers.Pass) error {
	for d := range cluster.Scoped[*appsv1.Deployment](p.Snapshot) {
		n, _ := cluster.Replicas(d)
		if d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType || n < 2 || d.DeletionTimestamp != nil || exclusive(p.Snapshot, d) {
			continue
		}
		svc, ok := serviceOf(p.Snapshot, d)
		if !ok {
			continue
		}
		ref := cluster.RefOf(d)
		patch := []byte(`{"spec":{"strategy":{"$retainKeys":["type","rollingUpdate"],"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":0,"maxSurge":1}}}}`)
		p.Report(analyzers.Finding{
			Code:    downtime,
			Subject: ref,
			Summary: fmt.Sprintf("Each update stops all pods before a new one starts (strategy Recreate), and Service %s is down meanwhile", svc.Name),
			Evidence: []analyzers.Evidence{
				{Source: ref.String(), Path: "spec.strategy.type", Quote: "strategy.type: Recreate"},
				{Source: cluster.RefOf(svc).String(), Path: "spec.selector", Quote: "selector: " + labels.FormatLabels(svc.Spec.Selector)},
			},
			Fixes: []analyzers.Fix{{
				Why:   "Replace the pods one by one, if two versions may run side by side",
				Argv:  p.Kubectl(d.Namespace, "patch", ref.Short(), "--type", "strategic", "-p", string(patch)),
				Patch: &analyzers.Patch{Target: ref, Data: patch},
			}},
		})
	}
	return nil
}

// exclusive reports whether old and new pods cannot run at the same time.
func exclusive(s *cluster.Snapshot, d *appsv1.Deployment) bool {
	spec := &d.Spec.Template.Spec
	if spec.HostNetwork {
		return true
	}
	for _, c := range cluster.Containers(spec) {
		for _, port := range c.Ports {
			if port.HostPort != 0 {
				return true
			}
		}
	}
	for _, v := range spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim, ok := cluster.Find[*corev1.PersistentVolumeClaim](s, d.Namespace, v.PersistentVolumeClaim.ClaimName)
		if !ok {
			return true // unknown: it may well be for one node
		}
		for _, mode := range claim.Spec.AccessModes {
			if mode == corev1.ReadWriteOnce || mode == corev1.ReadWriteOncePod {
				return true
			}
		}
	}
	return false
}

func serviceOf(s *cluster.Snapshot, d *appsv1.Deployment) (*corev1.Service, bool) {
	for svc := range cluster.In[*corev1.Service](s, d.Namespace) {
		if len(svc.Spec.Selector) > 0 && labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
			return svc, true
		}
	}
	return nil, false
}
