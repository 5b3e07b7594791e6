package rollouts

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Deadline finds Deployments whose rollout is beyond its deadline.
var Deadline = &analyzers.Analyzer{
	Name: "rollouts/deadline",
	Doc: `Deployments whose rollout is beyond its progress deadline

A consequence: the new pods' own fault is the cause. The evidence has what changed since
the last revision that has ready pods.`,
	Needs: []schema.GroupKind{cluster.Deployments},
	Emits: []analyzers.Code{progressDeadline},
	Run:   deadline,
}

func deadline(p *analyzers.Pass) error {
	for d := range cluster.Scoped[*appsv1.Deployment](p.Snapshot) {
		c, ok := timedOut(d)
		if !ok {
			continue
		}
		f := analyzers.Finding{
			Code:     progressDeadline,
			Subject:  cluster.RefOf(d),
			Summary:  progressText(d),
			Evidence: []analyzers.Evidence{{Source: cluster.RefOf(d).String(), Path: "status.conditions[Progressing]", Quote: c.Reason + ": " + analyzers.QuoteHead(c.Message), At: c.LastTransitionTime.Time}},
		}
		if from, _, changes, ok := WhatChanged(p.Snapshot, d); ok {
			f.Evidence = append(f.Evidence, changeEvidence(cluster.RefOf(d), from, changes)...)
		}
		f.Fixes = append(rollback(p, d), analyzers.Fix{
			Why:  "Show the Deployment's conditions and events",
			Argv: p.Kubectl(d.Namespace, "describe", "deployment", d.Name),
		})
		p.Report(f)
	}
	return nil
}

// timedOut returns the condition while it still holds. It outlives what it tells of: a
// paused Deployment keeps it (k8s.io/kubernetes pkg/controller/deployment/sync.go,
// checkPausedConditions), and a new template is not looked at yet while the observed
// generation is behind.
func timedOut(d *appsv1.Deployment) (appsv1.DeploymentCondition, bool) {
	wants, _ := cluster.Replicas(d)
	st := d.Status
	complete := st.UpdatedReplicas == wants && st.Replicas == wants && st.AvailableReplicas == wants
	if d.DeletionTimestamp != nil || d.Spec.Paused || complete || st.ObservedGeneration < d.Generation {
		return appsv1.DeploymentCondition{}, false
	}
	i := slices.IndexFunc(st.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded"
	})
	if i < 0 {
		return appsv1.DeploymentCondition{}, false
	}
	return st.Conditions[i], true
}

// progressText says how far the rollout got and who serves meanwhile. The status counts
// ready pods of all revisions together: with old pods there, those are the ready ones as
// far as they go.
func progressText(d *appsv1.Deployment) string {
	wants, _ := cluster.Replicas(d)
	st := d.Status
	old := max(st.Replicas-st.UpdatedReplicas, 0)
	ready := min(max(st.ReadyReplicas-old, 0), st.UpdatedReplicas)
	text := fmt.Sprintf("Rollout is stuck: %d of %s ready", ready, plural(wants, "new pod", " is", "s are"))
	if st.UpdatedReplicas == 0 {
		text = fmt.Sprintf("Rollout is stuck: none of %s created", plural(wants, "new pod", " is", "s is"))
	}
	switch serving := min(old, st.ReadyReplicas); {
	case serving > 0:
		return text + ", " + plural(serving, "old pod", " still serves", "s still serve")
	case ready == 0:
		return text + ", and no old pod is left to serve"
	}
	return text
}

func plural(n int32, word, one, many string) string {
	if n == 1 {
		return "1 " + word + one
	}
	return fmt.Sprintf("%d %s%s", n, word, many)
}

const maxChanges = 3

// changeEvidence are the first changes since a revision.
func changeEvidence(of analyzers.Ref, from Revision, changes []Change) []analyzers.Evidence {
	var out []analyzers.Evidence
	for _, c := range changes[:min(len(changes), maxChanges)] {
		out = append(out, analyzers.Evidence{Source: of.String(), Path: c.Path, Quote: analyzers.QuoteHead(fmt.Sprintf("since revision %d: %s → %s", from.Number, orNone(c.Old), orNone(c.New)))})
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
