package rollouts

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Paused finds Deployments that are paused.
var Paused = &analyzers.Analyzer{
	Name: "rollouts/paused",
	Doc: `Deployments that are paused while a change waits

Without a waiting change it is only a note: the next one will wait.`,
	Needs: []schema.GroupKind{cluster.Deployments},
	Emits: []analyzers.Code{paused},
	Run:   runPaused,
}

func runPaused(p *analyzers.Pass) error {
	for d := range cluster.Scoped[*appsv1.Deployment](p.Snapshot) {
		if !d.Spec.Paused || d.DeletionTimestamp != nil {
			continue
		}
		ref := cluster.RefOf(d)
		data, _ := json.Marshal(map[string]any{"spec": map[string]any{"paused": nil}})
		f := analyzers.Finding{
			Code:     paused,
			Subject:  ref,
			Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "spec.paused", Quote: "paused: true"}},
			Fixes: []analyzers.Fix{{
				Why:   "Resume the rollout, so that the waiting change goes out",
				Argv:  p.Kubectl(d.Namespace, "rollout", "resume", ref.Short()),
				Patch: &analyzers.Patch{Target: ref, Data: data},
			}},
		}
		judgePaused(p, d, &f)
		p.Report(f)
	}
	return nil
}

func judgePaused(p *analyzers.Pass, d *appsv1.Deployment, f *analyzers.Finding) {
	wants, _ := cluster.Replicas(d)
	list := RevisionsOf(p.Snapshot, d)
	progress := progressing(d)
	switch {
	case len(list) == 0 && wants > 0 && p.Sees(cluster.ReplicaSets, d.Namespace):
		f.Severity = analyzers.Error
		f.Summary = "Deployment was created paused and has no pods"
		f.Fixes[0].Why = "Resume the Deployment, so that its pods are created"
	// Compared with what has pods now, not with an older state: nothing else waits.
	case len(list) > 1 && list[0].Object.Kind == "Deployment":
		changes := Diff(list[1].Template, list[0].Template)
		f.Summary = analyzers.Line(fmt.Sprintf("Deployment is paused, and a change waits: %s", changes[0]), 160)
		f.Evidence = append(f.Evidence, changeEvidence(cluster.RefOf(d), list[1], changes)...)
	case d.Status.UpdatedReplicas < wants && d.Status.Replicas > d.Status.UpdatedReplicas:
		f.Summary = fmt.Sprintf("Deployment is paused in the middle of an update: %d of %d pods are new", d.Status.UpdatedReplicas, wants)
	default:
		f.Severity = analyzers.Info
		f.Summary = "Deployment is paused, and the next change will wait"
		f.Fixes[0].Why = "Resume the Deployment, so that the next change goes out"
	}
	if progress != nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{
			Source: cluster.RefOf(d).String(), Path: "status.conditions[Progressing]", Quote: progress.Reason, At: progress.LastTransitionTime.Time,
		})
	}
}

func progressing(d *appsv1.Deployment) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if d.Status.Conditions[i].Type == appsv1.DeploymentProgressing {
			return &d.Status.Conditions[i]
		}
	}
	return nil
}
