package storage

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// DiskFull reports claims whose volume is full, by the last words of a program that
// crashes for it.
var DiskFull = &analyzers.Analyzer{
	Name: "storage/disk-full",
	Doc: `volumes that are full, by the last words of the program that crashes for it

The line must name a file on the claim, or the container must have no other place to write
to that the line could mean. inotify's "no space left on device" is about watches.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.PersistentVolumeClaims, cluster.StorageClasses},
	Emits: []analyzers.Code{diskFull},
	Run: func(p *analyzers.Pass) error {
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
				continue
			}
			for _, status := range cluster.ContainerStatuses(pod) {
				if p.ContainerFault(pod, status) == cluster.CrashFault {
					reportFull(p, pod, status)
				}
			}
		}
		return nil
	},
}

func reportFull(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) {
	full, ok := p.FullVolume(pod, status)
	if !ok {
		return
	}
	pvc, exists := cluster.Find[*corev1.PersistentVolumeClaim](p.Snapshot, pod.Namespace, full.Claim)
	has := ""
	if exists && len(pvc.Status.Capacity) > 0 {
		has = " (" + size(pvc.Status.Capacity) + ")"
	}
	f := analyzers.Finding{
		Code: diskFull, Subject: claimRef(pod.Namespace, full.Claim), Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary: analyzers.Line(fmt.Sprintf("Volume of claim %s%s is full: container %s cannot write to %s", full.Claim, has, status.Name, full.Path), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{
			{Source: fmt.Sprintf("Log of Pod %s/%s container %s", pod.Namespace, pod.Name, status.Name), Quote: analyzers.QuoteHead(full.Line)},
			{Source: cluster.RefOf(pod).String(), Path: "spec.containers[*].volumeMounts", Quote: fmt.Sprintf("claim %s at %s", full.Claim, full.Path)},
		},
	}
	if exists {
		f.Fixes = growFixes(p, pvc)
	}
	p.Report(f)
}

func growFixes(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim) []analyzers.Fix {
	name, _ := claimClass(pvc)
	class, ok := cluster.Find[*storagev1.StorageClass](p.Snapshot, "", name)
	if !ok || !deref(class.AllowVolumeExpansion) {
		return []analyzers.Fix{{Why: "Free space on the volume, or move the data to a larger claim: this one's class does not let it grow", Argv: p.Kubectl(pvc.Namespace, "describe", "pvc", pvc.Name)}}
	}
	bigger := pvc.Spec.Resources.Requests[corev1.ResourceStorage].DeepCopy()
	bigger.Add(bigger)
	return []analyzers.Fix{{
		Why:  "Let the claim grow, here to twice its size; its class allows that",
		Argv: p.Kubectl(pvc.Namespace, "patch", "pvc", pvc.Name, "--type", "merge", "-p", fmt.Sprintf(`{"spec":{"resources":{"requests":{"storage":"%s"}}}}`, bigger.String())),
	}}
}
