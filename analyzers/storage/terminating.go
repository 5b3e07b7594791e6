package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Terminating reports claims and volumes that are to go and do not, and what holds them.
var Terminating = &analyzers.Analyzer{
	Name: "storage/terminating",
	Doc: `claims and volumes that are being deleted and do not go, and what holds them

A claim stays as long as a pod uses it, and a volume as long as a claim is bound to it: that
is a protection, and told after a few minutes. A volume that was released and is kept by its
reclaim policy is well.`,
	Needs: []schema.GroupKind{cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.VolumeAttachments, cluster.Pods, cluster.Events, cluster.Namespaces},
	Emits: []analyzers.Code{stuckTerminating},
	Run: func(p *analyzers.Pass) error {
		for pvc := range cluster.Scoped[*corev1.PersistentVolumeClaim](p.Snapshot) {
			if pvc.DeletionTimestamp != nil && p.Since(pvc.DeletionTimestamp.Time) > goingPatience && !namespaceGoes(p, pvc.Namespace) {
				reportClaim(p, pvc)
			}
		}
		for pv := range cluster.All[*corev1.PersistentVolume](p.Snapshot) {
			if ref := pv.Spec.ClaimRef; ref != nil && !p.InScope(ref.Namespace) || ref == nil && len(p.Info().Namespaces) > 0 {
				continue // of another team
			}
			switch {
			case pv.DeletionTimestamp != nil && p.Since(pv.DeletionTimestamp.Time) > goingPatience:
				reportVolume(p, pv)
			case pv.DeletionTimestamp == nil:
				reportUndeleted(p, pv)
			}
		}
		return nil
	},
}

// goingPatience is how long something that is being deleted may take: pods end, volumes
// are detached, disks are deleted.
const goingPatience = 2 * time.Minute

// Finalizers of k8s.io/kubernetes pkg/volume/util/finalizer.go, k8s.io/component-helpers
// storage/volume/pv_helpers.go and external-attacher pkg/controller/util.go.
const (
	claimProtection    = "kubernetes.io/pvc-protection"
	volumeProtection   = "kubernetes.io/pv-protection"
	deletionProtection = "external-provisioner.volume.kubernetes.io/finalizer"
	inTreeProtection   = "kubernetes.io/pv-controller"
	attacherPrefix     = "external-attacher/"
)

// namespaceGoes leaves the claims of a namespace that is being deleted to whoever tells of
// that.
func namespaceGoes(p *analyzers.Pass, name string) bool {
	ns, ok := cluster.Find[*corev1.Namespace](p.Snapshot, "", name)
	return ok && ns.DeletionTimestamp != nil
}

func deletedSince(o cluster.Object) analyzers.Evidence {
	return analyzers.Evidence{Source: cluster.RefOf(o).String(), Path: "metadata.deletionTimestamp", Quote: "finalizers: " + strings.Join(o.GetFinalizers(), ", "), At: o.GetDeletionTimestamp().Time}
}

func reportClaim(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim) {
	f := analyzers.Finding{Code: stuckTerminating, Subject: cluster.RefOf(pvc), Evidence: []analyzers.Evidence{deletedSince(pvc)}}
	if !slices.Contains(pvc.Finalizers, claimProtection) {
		f.Summary = analyzers.Line(fmt.Sprintf("Claim %s is being deleted, and nobody removes its finalizer %s", pvc.Name, strings.Join(pvc.Finalizers, ", ")), analyzers.MaxSummary)
		f.Fixes = []analyzers.Fix{{Why: "Start the controller that put the finalizer there, or, when it is gone for good, remove the finalizer", Argv: p.Kubectl(pvc.Namespace, "get", "pvc", pvc.Name, "-o", "jsonpath={.metadata.finalizers}")}}
		p.Report(f)
		return
	}
	// Finished pods count too (k8s.io/kubernetes pkg/controller/volume/pvcprotection/
	// pvc_protection_controller.go, podUsesPVCForDeletion).
	var holders []*corev1.Pod
	for _, pod := range users(p, pvc.Namespace, pvc.Name) {
		if pod.Spec.NodeName != "" {
			holders = append(holders, pod)
			f.Affected = append(f.Affected, cluster.RefOf(pod))
		}
	}
	if len(holders) == 0 {
		if !p.Sees(cluster.Pods, pvc.Namespace) {
			return
		}
		f.Summary = fmt.Sprintf("Claim %s is being deleted and no pod uses it, but its protection stays", pvc.Name)
		f.Fixes = []analyzers.Fix{{Why: "Show what else holds the claim; kube-controller-manager takes the protection off", Argv: p.Kubectl(pvc.Namespace, "describe", "pvc", pvc.Name)}}
		p.Report(f)
		return
	}
	pod := holders[0]
	root := p.Root(pod)
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "spec.volumes[*].persistentVolumeClaim.claimName", Quote: "claimName: " + pvc.Name})
	who := root.Short()
	if root.Kind == "Pod" {
		who = "a pod"
	}
	switch {
	case pod.DeletionTimestamp != nil:
		f.Summary = fmt.Sprintf("Claim %s is being deleted, and %s that uses it does not end", pvc.Name, orPodOf(root))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "metadata.deletionTimestamp", Quote: "being deleted", At: pod.DeletionTimestamp.Time})
		f.CausedBy = []analyzers.Ref{root}
		f.Fixes = []analyzers.Fix{{Why: "Show why the pod does not end: the claim goes with it", Argv: p.Kubectl(pod.Namespace, "describe", "pod", pod.Name)}}
	case cluster.PodFinished(pod):
		f.Summary = fmt.Sprintf("Claim %s is being deleted, and a finished pod of %s still names it", pvc.Name, who)
		f.Fixes = []analyzers.Fix{{Why: "Delete the finished pod, once its log is no longer needed", Argv: p.Kubectl(pod.Namespace, "delete", "pod", pod.Name)}}
	default:
		f.Summary = fmt.Sprintf("Claim %s is being deleted while %s uses it: it goes when the pod ends, and a new pod cannot start", pvc.Name, who)
		f.Fixes = []analyzers.Fix{
			{Why: "If the data is still needed: back it up now, as a deletion cannot be taken back; the command shows what becomes of the volume", Argv: p.Kubectl("", "get", "pv", pvc.Spec.VolumeName, "-o", "custom-columns=NAME:.metadata.name,RECLAIM:.spec.persistentVolumeReclaimPolicy")},
			{Why: "If it is not: end the pods that use it, and the claim goes by itself", Argv: p.Kubectl(pvc.Namespace, "describe", "pvc", pvc.Name)},
		}
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	p.Report(f)
}

func orPodOf(root analyzers.Ref) string {
	if root.Kind == "Pod" {
		return "a pod"
	}
	return "a pod of " + root.Short()
}

func reportVolume(p *analyzers.Pass, pv *corev1.PersistentVolume) {
	f := analyzers.Finding{Code: stuckTerminating, Subject: cluster.RefOf(pv), Evidence: []analyzers.Evidence{deletedSince(pv)}}
	attached := attachments(p)[pv.Name]
	ref := pv.Spec.ClaimRef
	bound := ref != nil && pv.Status.Phase == corev1.VolumeBound
	if bound && !p.Sees(cluster.PersistentVolumeClaims, ref.Namespace) {
		return
	}
	switch at := slices.IndexFunc(pv.Finalizers, func(name string) bool { return strings.HasPrefix(name, attacherPrefix) }); {
	case bound:
		pvc, ok := cluster.Find[*corev1.PersistentVolumeClaim](p.Snapshot, ref.Namespace, ref.Name)
		if ok && pvc.DeletionTimestamp != nil {
			return // the claim tells what holds it
		}
		f.Summary = fmt.Sprintf("Volume %s is being deleted while claim %s/%s is bound to it: it goes with the claim", pv.Name, ref.Namespace, ref.Name)
		f.Fixes = []analyzers.Fix{{Why: "Back the data up if it is still needed: the deletion cannot be taken back, and the volume goes when its claim does", Argv: p.Kubectl(ref.Namespace, "describe", "pvc", ref.Name)}}
	case len(attached) > 0:
		f.Summary = fmt.Sprintf("Volume %s is being deleted and is still attached to node %s", pv.Name, attached[0].Spec.NodeName)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(attached[0]).String(), Path: "spec.nodeName", Quote: "nodeName: " + attached[0].Spec.NodeName})
		f.Fixes = []analyzers.Fix{{Why: "Show what the attacher says: the volume goes once it is detached", Argv: p.Kubectl("", "describe", "volumeattachment", attached[0].Name)}}
	case at >= 0:
		driver := strings.TrimPrefix(pv.Finalizers[at], attacherPrefix)
		f.Summary = fmt.Sprintf("Volume %s is being deleted, and the attacher %s does not take its finalizer off", pv.Name, driver)
		f.Fixes = []analyzers.Fix{{Why: "Start the driver's attacher again; the command shows which drivers are installed", Argv: p.Kubectl("", "get", "csidrivers")}}
	case slices.Contains(pv.Finalizers, deletionProtection), slices.Contains(pv.Finalizers, inTreeProtection):
		driver := pv.Annotations[annProvisionedBy]
		f.Summary = fmt.Sprintf("Volume %s is being deleted, and its provisioner %s has not deleted the disk", pv.Name, driver)
		f.Fixes = []analyzers.Fix{{Why: "Show what the provisioner says of the disk; if it is gone for good, delete the disk at the backend and then the finalizer", Argv: p.Kubectl("", "describe", "pv", pv.Name)}}
		if ev, ok := p.LastEvent(pv, nil, "VolumeFailedDelete"); ok {
			_, text := rpc(ev.Message)
			f.Summary = fmt.Sprintf("Volume %s is being deleted, and %s cannot delete its disk: %s", pv.Name, driver, text)
			f.Evidence = append(f.Evidence, eventOn(pv, ev))
		}
	default:
		f.Summary = fmt.Sprintf("Volume %s is being deleted, and nobody removes its finalizer %s", pv.Name, strings.Join(pv.Finalizers, ", "))
		f.Fixes = []analyzers.Fix{{Why: "Start the controller that put the finalizer there, or, when it is gone for good, remove the finalizer", Argv: p.Kubectl("", "get", "pv", pv.Name, "-o", "jsonpath={.metadata.finalizers}")}}
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	p.Report(f)
}

// reportUndeleted is about a released volume whose disk is to be deleted and is not: it
// stays, and may cost money. External provisioners leave the phase at Released
// (sig-storage-lib-external-provisioner controller/controller.go, deleteVolumeOperation).
func reportUndeleted(p *analyzers.Pass, pv *corev1.PersistentVolume) {
	failed := pv.Status.Phase == corev1.VolumeFailed
	if !failed && (pv.Status.Phase != corev1.VolumeReleased || pv.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete) {
		return
	}
	ev, told := p.LastEvent(pv, nil, "VolumeFailedDelete", "VolumeFailedRecycle")
	_, text := rpc(pv.Status.Message)
	if text == "" && told {
		_, text = rpc(ev.Message)
	}
	since := deref(pv.Status.LastPhaseTransitionTime).Time
	if !failed && (!told || cluster.EventCount(ev) < 2) && p.Since(since) < 5*goingPatience {
		return
	}
	why := "cannot be deleted: " + text
	if text == "" {
		why = "has not been deleted by " + cmp.Or(pv.Annotations[annProvisionedBy], "anything")
	}
	f := analyzers.Finding{
		Code: stuckTerminating, Subject: cluster.RefOf(pv),
		Summary:  analyzers.Line(fmt.Sprintf("Volume %s was released, and its disk %s", pv.Name, why), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(pv).String(), Path: "status.phase", Quote: analyzers.Quote(strings.TrimSpace(fmt.Sprintf("phase: %s %s", pv.Status.Phase, pv.Status.Message))), At: since}},
		Fixes:    []analyzers.Fix{{Why: "Mend what keeps the disk; deleting is tried again by itself, and the command shows the last error", Argv: p.Kubectl("", "describe", "pv", pv.Name)}},
	}
	if told {
		f.Evidence = append(f.Evidence, eventOn(pv, ev))
	}
	p.Report(f)
}
