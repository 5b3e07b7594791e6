// Package why answers the question about one object: how far it came, which root cause
// stands behind what is wrong with it, what changed, and why no node takes it.
package why

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/pods"
	"github.com/kubefathom/fathom/analyzers/report"
	"github.com/kubefathom/fathom/analyzers/rollouts"
	"github.com/kubefathom/fathom/analyzers/scheduling"
)

// An Answer is what is known about one object.
type Answer struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Cluster    report.Cluster `json:"cluster"`
	Object     analyzers.Ref  `json:"object"`
	// Pods counts those behind the object: all, and those that take traffic.
	Pods  int `json:"pods"`
	Ready int `json:"ready"`
	// Journey is that of the pod itself, or of the pod behind the object that came least
	// far; nil for an object without pods of its own.
	Journey   *pods.Journey      `json:"journey,omitempty"`
	Diagnoses []report.Diagnosis `json:"diagnoses"`
	// Changed is what the present revision has otherwise than the last good one; only
	// when something is wrong.
	Changed *Changed `json:"changed,omitempty"`
	// Nodes says of each node why the pod cannot go there; only for one without a node.
	Nodes     []NodeFit          `json:"nodes,omitempty"`
	Unchecked []report.Unchecked `json:"unchecked"`
}

// Changed is the difference between two revisions of a workload.
type Changed struct {
	From    rollouts.Revision `json:"from"`
	To      rollouts.Revision `json:"to"`
	Changes []rollouts.Change `json:"changes"`
}

// NodeFit is one node and what turns the pod down there; nothing when it would fit.
type NodeFit struct {
	Node    string   `json:"node"`
	Reasons []string `json:"reasons"`
}

// Explain answers for o, given the report of the same Snapshot.
func Explain(s *cluster.Snapshot, o cluster.Object, r *report.Report) *Answer {
	a := &Answer{
		APIVersion: report.APIVersion, Kind: "Why", Cluster: r.Cluster, Object: cluster.RefOf(o),
		Diagnoses: about(s, o, r), Unchecked: r.Unchecked,
	}
	list := podsBehind(s, o)
	a.Pods = len(list)
	if wants, ok := cluster.Replicas(o); ok {
		a.Pods = max(a.Pods, int(wants)) // those that were not created yet are missing too
	}
	for _, pod := range list {
		if cluster.PodReady(pod) {
			a.Ready++
		}
	}
	a.Journey, a.Nodes = journey(s, o, list)
	if len(a.Diagnoses) > 0 {
		a.Changed = changed(s, o)
	}
	a.clean()
	return a
}

// clean makes all text of the cluster harmless, as in a report; the diagnoses are so
// already.
func (a *Answer) clean() {
	a.Object = cleanRef(a.Object)
	if a.Journey != nil {
		a.Journey.Subject = cleanRef(a.Journey.Subject)
		for i := range a.Journey.Stages {
			a.Journey.Stages[i].Detail = report.Clean(a.Journey.Stages[i].Detail)
		}
	}
	for i := range a.Nodes {
		a.Nodes[i].Node = report.Clean(a.Nodes[i].Node)
		for j := range a.Nodes[i].Reasons {
			a.Nodes[i].Reasons[j] = report.Clean(a.Nodes[i].Reasons[j])
		}
	}
	if a.Changed != nil {
		a.Changed.From.Cause, a.Changed.To.Cause = report.Clean(a.Changed.From.Cause), report.Clean(a.Changed.To.Cause)
		for i, c := range a.Changed.Changes {
			a.Changed.Changes[i] = rollouts.Change{Path: report.Clean(c.Path), Old: report.Clean(c.Old), New: report.Clean(c.New)}
		}
	}
}

func cleanRef(r analyzers.Ref) analyzers.Ref {
	return analyzers.Ref{APIVersion: report.Clean(r.APIVersion), Kind: report.Clean(r.Kind), Namespace: report.Clean(r.Namespace), Name: report.Clean(r.Name)}
}

// journey follows the worst pod. When all pods came to the end, or there are none, the
// workload itself may stand still: further pods are refused before they exist.
func journey(s *cluster.Snapshot, o cluster.Object, list []*corev1.Pod) (*pods.Journey, []NodeFit) {
	pod := worst(s, list)
	var j pods.Journey
	if pod != nil {
		j = pods.JourneyOf(s, pod)
		if _, stopped := j.Stopped(); stopped {
			return &j, nodes(s, pod)
		}
	}
	if _, ok := cluster.Template(o); ok {
		w := pods.JourneyOfWorkload(s, o)
		if _, stopped := w.Stopped(); stopped || pod == nil {
			return &w, nil
		}
	}
	if pod == nil {
		return nil, nil
	}
	return &j, nil
}

// about returns the diagnoses of the object, of what owns it, and of its pods.
func about(s *cluster.Snapshot, o cluster.Object, r *report.Report) []report.Diagnosis {
	refs := []analyzers.Ref{cluster.RefOf(o), s.Root(o)}
	for _, pod := range s.PodsOf(o) {
		refs = append(refs, cluster.RefOf(pod))
	}
	out := r.About(refs...)
	if out == nil {
		out = []report.Diagnosis{}
	}
	return out
}

// podsBehind are the pods of a workload, those that a Service selects, or the pod itself.
func podsBehind(s *cluster.Snapshot, o cluster.Object) []*corev1.Pod {
	var list []*corev1.Pod
	switch o := o.(type) {
	case *corev1.Service:
		list = s.PodsWith(o.Namespace, o.Spec.Selector)
	case *corev1.Node:
		return nil
	default:
		list = s.PodsOf(o)
	}
	return slices.DeleteFunc(slices.Clone(list), func(pod *corev1.Pod) bool {
		return cluster.RefOf(pod) != cluster.RefOf(o) && (pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded)
	})
}

// worst is the pod that came least far; of equal ones the youngest, which is of the
// newest revision.
func worst(s *cluster.Snapshot, list []*corev1.Pod) *corev1.Pod {
	type seen struct {
		pod   *corev1.Pod
		stage int
	}
	var all []seen
	for _, pod := range list {
		all = append(all, seen{pod, passed(pods.JourneyOf(s, pod))})
	}
	slices.SortStableFunc(all, func(a, b seen) int {
		return cmp.Or(cmp.Compare(a.stage, b.stage), b.pod.CreationTimestamp.Compare(a.pod.CreationTimestamp.Time))
	})
	if len(all) == 0 {
		return nil
	}
	return all[0].pod
}

// passed is the number of the stage at which a journey stands still; one that is only at
// work counts as further than all that stand still.
func passed(j pods.Journey) int {
	for i, stage := range j.Stages {
		switch stage.State {
		case pods.Blocked:
			return i
		case pods.Current:
			return len(j.Stages) + i
		}
	}
	return 2 * len(j.Stages)
}

func nodes(s *cluster.Snapshot, pod *corev1.Pod) []NodeFit {
	if pod.Spec.NodeName != "" || cluster.PodFinished(pod) {
		return nil
	}
	e := scheduling.Explain(s, pod)
	var out []NodeFit
	for _, row := range e.Rows {
		fit := NodeFit{Node: row.Node, Reasons: []string{}}
		for _, reason := range append(slices.Clone(e.Everywhere), row.Rejections...) {
			fit.Reasons = append(fit.Reasons, reason.Reason)
		}
		out = append(out, fit)
	}
	return out
}

func changed(s *cluster.Snapshot, o cluster.Object) *Changed {
	root := s.RootObject(o)
	if root == nil {
		return nil
	}
	from, to, changes, ok := rollouts.WhatChanged(s, root)
	if !ok || len(changes) == 0 {
		return nil
	}
	return &Changed{from, to, changes}
}
