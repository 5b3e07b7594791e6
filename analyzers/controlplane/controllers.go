package controlplane

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ControllerManager finds a kube-controller-manager that does no work.
var ControllerManager = &analyzers.Analyzer{
	Name: "controlplane/controller-manager",
	Doc: `workloads that no controller handles, and the leader Lease that says why

A Lease that is not renewed is not enough: a clock may be wrong, or another one be used.
There must be a workload that waits, and no trace of a controller's work since. Without a
Lease, as where a provider hides its control plane, the workload must wait for longer.`,
	Needs: []schema.GroupKind{
		cluster.Leases, cluster.Deployments, cluster.StatefulSets, cluster.DaemonSets, cluster.ReplicaSets, cluster.Jobs,
		cluster.EndpointSlices, cluster.Pods,
	},
	Emits: []analyzers.Code{controllersDown},
	Run:   runControllerManager,
}

const (
	manager = "kube-controller-manager"
	// A controller takes up a new object within a second, and in a cluster that has just
	// been started or is flooded within a minute.
	takenUp = time.Minute
	// takenUpUnseen is the same where no Lease says that the manager is not there.
	takenUpUnseen = 5 * time.Minute
)

func runControllerManager(p *analyzers.Pass) error {
	lease, seen := cluster.Find[*coordinationv1.Lease](p.Snapshot, system, manager)
	if seen && !overdue(p.Snapshot, lease) {
		return nil // it works; what is not handled has another reason
	}
	if _, frozen := frozenSince(p.Snapshot); frozen {
		return nil // that nothing can be written explains it
	}
	since, patience := time.Time{}, takenUpUnseen
	if seen {
		since, patience = renewed(lease), takenUp
	}
	waiting := unhandled(p.Snapshot, since, patience)
	if len(waiting) == 0 {
		return nil
	}
	if !seen {
		since = waiting[0].GetCreationTimestamp().Time
		for _, o := range waiting {
			if at := o.GetCreationTimestamp().Time; at.Before(since) {
				since = at
			}
		}
	}
	// A trace of work: the Lease is another's, or a clock is wrong.
	if worked(p.Snapshot).After(since.Add(overdueAfter)) {
		return nil
	}
	subject := analyzers.Ref{Kind: "ControlPlane", Name: manager}
	if seen {
		subject = cluster.RefOf(lease)
	}
	p.Report(managerFinding(p, subject, lease, waiting))
	for _, o := range waiting {
		if !p.InScope(o.GetNamespace()) {
			continue
		}
		ref := cluster.RefOf(o)
		p.Report(analyzers.Finding{
			Code: controllersDown, Subject: ref, CausedBy: []analyzers.Ref{subject},
			Summary:  fmt.Sprintf("No controller has handled the %s as it is now", ref.Kind),
			Evidence: []analyzers.Evidence{progress(o)},
		})
	}
	return nil
}

func managerFinding(p *analyzers.Pass, subject analyzers.Ref, lease *coordinationv1.Lease, waiting []cluster.Object) analyzers.Finding {
	first := cluster.RefOf(waiting[0])
	f := analyzers.Finding{
		Code: controllersDown, Subject: subject, Evidence: []analyzers.Evidence{progress(waiting[0])},
		Summary: analyzers.Line(fmt.Sprintf("No controller works: %s has waited since it was created and there is no trace of %s", first, manager), analyzers.MaxSummary),
	}
	if lease != nil {
		at := renewed(lease)
		f.Summary = analyzers.Line(fmt.Sprintf("The leader %s has not renewed its Lease since %s, and nothing handles %s", manager, at.UTC().Format("15:04:05"), first), analyzers.MaxSummary)
		f.Evidence = append([]analyzers.Evidence{{
			Source: subject.String(), Path: "spec.renewTime", At: at,
			Quote: fmt.Sprintf("renewTime: %s, holderIdentity: %s", at.UTC().Format(time.RFC3339), *lease.Spec.HolderIdentity),
		}}, f.Evidence...)
	}
	for _, o := range waiting {
		f.Affected = append(f.Affected, cluster.RefOf(o))
	}
	for _, pod := range p.PodsWith(system, map[string]string{"component": manager}) {
		if !cluster.PodReady(pod) {
			f.CausedBy = append(f.CausedBy, cluster.RefOf(pod))
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status.phase", Quote: string(pod.Status.Phase) + ", not ready"})
		}
	}
	f.Fixes = []analyzers.Fix{
		{Why: "Show whether the controller manager runs, where it is a pod", Argv: p.Kubectl(system, "get", "pods", "-l", "component="+manager, "-o", "wide")},
		{Why: "Read why it stopped", Argv: p.Kubectl(system, "logs", "-l", "component="+manager, "--tail=50", "--prefix")},
	}
	return f
}

// unhandled are the workloads that their controller has not taken up in the state they are
// in: made since a time and without any status, or changed since the status was written.
func unhandled(s *cluster.Snapshot, since time.Time, patience time.Duration) []cluster.Object {
	var out []cluster.Object
	see := func(o cluster.Object, observed int64, status bool) {
		made := o.GetCreationTimestamp().Time
		if o.GetDeletionTimestamp() != nil || made.IsZero() || s.Since(made) <= patience {
			return
		}
		untouched := observed == 0 && !status && made.After(since.Add(-patience))
		// When an object was changed is not written on it: without a Lease, which says
		// since when nothing happens, a change may be of this very second.
		if changed := observed > 0 && observed < o.GetGeneration() && !since.IsZero(); untouched || changed {
			out = append(out, o)
		}
	}
	for o := range cluster.All[*appsv1.Deployment](s) {
		// One whose ReplicaSet is refused is handled, over and over
		// (k8s.io/kubernetes pkg/controller/deployment/sync.go, getNewReplicaSet).
		see(o, o.Status.ObservedGeneration, len(o.Status.Conditions) > 0 || o.Status.Replicas > 0)
	}
	for o := range cluster.All[*appsv1.StatefulSet](s) {
		see(o, o.Status.ObservedGeneration, o.Status.Replicas > 0)
	}
	for o := range cluster.All[*appsv1.DaemonSet](s) {
		see(o, o.Status.ObservedGeneration, o.Status.DesiredNumberScheduled > 0)
	}
	for o := range cluster.All[*batchv1.Job](s) {
		by := o.Spec.ManagedBy // another controller's, as Kueue's of another cluster
		if by == nil || *by == batchv1.JobControllerName {
			see(o, 0, o.Status.StartTime != nil || len(o.Status.Conditions) > 0)
		}
	}
	return out
}

// worked is when a controller of kube-controller-manager last made something.
func worked(s *cluster.Snapshot) time.Time {
	var last time.Time
	see := func(t metav1.Time) {
		if t.After(last) {
			last = t.Time
		}
	}
	for rs := range cluster.All[*appsv1.ReplicaSet](s) {
		if c := metav1.GetControllerOfNoCopy(rs); c != nil && c.Kind == "Deployment" {
			see(rs.CreationTimestamp)
		}
	}
	for pod := range cluster.All[*corev1.Pod](s) {
		if c := metav1.GetControllerOfNoCopy(pod); c != nil && (c.Kind == "ReplicaSet" || c.Kind == "Job" || c.Kind == "DaemonSet") {
			see(pod.CreationTimestamp)
		}
	}
	for _, o := range s.Objects(cluster.EndpointSlices) {
		// k8s.io/kubernetes pkg/controller/endpointslice/endpointslice_controller.go
		if o.GetLabels()["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io" {
			see(o.GetCreationTimestamp())
		}
	}
	return last
}

func progress(o cluster.Object) analyzers.Evidence {
	observed := int64(0)
	switch o := o.(type) {
	case *appsv1.Deployment:
		observed = o.Status.ObservedGeneration
	case *appsv1.StatefulSet:
		observed = o.Status.ObservedGeneration
	case *appsv1.DaemonSet:
		observed = o.Status.ObservedGeneration
	}
	e := analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: "status", Quote: "status: {}", At: o.GetCreationTimestamp().Time}
	if observed > 0 {
		e.Path, e.Quote = "status.observedGeneration", fmt.Sprintf("observedGeneration: %d, and the object's generation is %d", observed, o.GetGeneration())
	}
	return e
}
