package storage

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Bypassed reports claims that wait for the scheduler while their pod, which names its
// node itself, never gets to it.
var Bypassed = &analyzers.Analyzer{
	Name: "storage/bypassed",
	Doc: `claims that wait for the scheduler while their pod names its node itself

A class with WaitForFirstConsumer has its volume made when the scheduler places the first
pod. With spec.nodeName there is nothing to place, and both wait for ever. A claim that
waits for a pod to be made or scheduled is well.`,
	Needs: []schema.GroupKind{cluster.PersistentVolumeClaims, cluster.StorageClasses, cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{notScheduled},
	Run: func(p *analyzers.Pass) error {
		for pvc := range unbound(p) {
			c, ok := ripe(p, pvc)
			class, exists := cluster.Find[*storagev1.StorageClass](p.Snapshot, "", c.class)
			if !ok || !exists || !delays(class) || pvc.Spec.VolumeName != "" || pvc.Annotations[annSelectedNode] != "" {
				continue
			}
			for _, pod := range c.waiters {
				if pod.Spec.NodeName != "" && p.Since(pod.CreationTimestamp.Time) > bindPatience {
					c.reportBypassed(pod)
				}
			}
		}
		return nil
	},
}

func (c claimCase) reportBypassed(pod *corev1.Pod) {
	source := cluster.RefOf(pod).String()
	f := c.finding(notScheduled, "Pod names its node %s itself, so the scheduler never has the volume of claim %s made", pod.Spec.NodeName, strings.TrimPrefix(c.pvc.Name, pod.Name+"-"))
	f.Subject, f.Part, f.Affected = c.Root(pod), "", []analyzers.Ref{cluster.RefOf(pod)}
	f.Evidence = []analyzers.Evidence{
		{Source: source, Path: "spec.nodeName", Quote: "nodeName: " + pod.Spec.NodeName},
		{Source: classRef(c.class).String(), Path: "volumeBindingMode", Quote: "volumeBindingMode: WaitForFirstConsumer"},
		{Source: c.source(), Path: "status.phase", Quote: "phase: Pending"},
	}
	// k8s.io/kubernetes pkg/kubelet/volumemanager/populator: "PVC is not bound".
	if ev, ok := c.LastEvent(pod, func(ev *corev1.Event) bool { return strings.Contains(ev.Message, "PVC is not bound") }, "FailedMount"); ok {
		f.Evidence = append(f.Evidence, eventOn(pod, ev))
	}
	f.Fixes = []analyzers.Fix{{
		Why:  "Replace spec.nodeName by nodeSelector kubernetes.io/hostname: " + pod.Spec.NodeName + ", so that the scheduler places the pod and has the volume made there",
		Argv: c.Kubectl(pod.Namespace, "edit", f.Subject.Short()),
	}}
	c.Report(f)
}
