package storage

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// MultiAttach reports pods that wait for a volume which another node or pod has, and says
// who has it and why it is not let go.
var MultiAttach = &analyzers.Analyzer{
	Name: "storage/multi-attach",
	Doc: `volumes that another node or pod has and that cannot be used twice

A volume that is about to be handed over is left alone: the old pod is being deleted on a
node that is well, or its detaching has just begun.`,
	Needs: []schema.GroupKind{
		cluster.Pods, cluster.Nodes, cluster.Events, cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.VolumeAttachments,
	},
	Emits: []analyzers.Code{multiAttach},
	Run: func(p *analyzers.Pass) error {
		for _, c := range of(p, inUse) {
			reportHeld(p, c)
		}
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if cond := cluster.PodCondition(pod, corev1.PodScheduled); pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && cond != nil && cond.Status == corev1.ConditionFalse {
				reportExclusive(p, pod)
			}
		}
		return nil
	},
}

// handover is how long one node may take to let a volume go before the next gets it; after
// six minutes the controller takes it from a node that does not answer (k8s.io/kubernetes
// pkg/controller/volume/attachdetach: maxWaitForUnmountDuration).
const handover = 2 * time.Minute

// A holder is who has a volume.
type holder struct {
	node string
	pod  *corev1.Pod  // that uses it there, if any is left
	dead *corev1.Node // the node, when it does not answer
	gone bool         // the node does not exist any more
}

func reportHeld(p *analyzers.Pass, c complaint) {
	h, ok := holderOf(p, c)
	if !ok && c.pv != nil && p.Sees(cluster.VolumeAttachments, "") && p.Sees(cluster.Pods, c.pod.Namespace) {
		return // nobody has it any more: it is about to be attached here
	}
	wait := waited(p, c.pod)
	if wait < handover && (h.pod == nil || h.pod.DeletionTimestamp != nil) && h.dead == nil && !h.gone {
		return
	}
	if wait < bindPatience {
		return
	}
	volume := "Volume"
	if c.volume != nil && c.volume.PersistentVolumeClaim != nil {
		volume = "Volume of claim " + c.volume.PersistentVolumeClaim.ClaimName
	}
	f := c.finding(p, multiAttach, "%s is still attached to another node and cannot be attached to %s", volume, c.pod.Spec.NodeName)
	f.Subject, f.Part = p.Root(c.pod), volumeName(c)
	if h.node != "" {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(c.pod).String(), Path: "attachedTo", Quote: "attached to node " + h.node})
		f.Evidence[len(f.Evidence)-1].Source = holderSource(p, c, h)
	}
	describe := analyzers.Fix{Why: "Show to which nodes volumes are attached", Argv: p.Kubectl("", "get", "volumeattachments")}
	switch {
	case h.gone:
		f.Summary = analyzers.Line(fmt.Sprintf("%s is still attached to node %s, which does not exist any more", volume, h.node), analyzers.MaxSummary)
		f.Fixes = []analyzers.Fix{{Why: "Show the attachments; once the machine is known to be gone, its VolumeAttachment can be deleted", Argv: describe.Argv}}
	case h.dead != nil:
		f.Summary = analyzers.Line(fmt.Sprintf("%s is attached to node %s, which does not answer and so cannot let it go", volume, h.node), analyzers.MaxSummary)
		ref := cluster.RefOf(h.dead)
		f.CausedBy, f.Shared = []analyzers.Ref{ref}, fmt.Sprintf("Node %s does not answer and holds volumes that pods elsewhere need", h.node)
		f.Evidence = append(f.Evidence, readiness(h.dead))
		f.Fixes = []analyzers.Fix{
			{Why: "Bring the node back: it lets the volume go by itself", Argv: p.Kubectl("", "describe", "node", h.node)},
			{Why: "Only when the machine is off for sure: mark it so, and its pods and volumes are taken from it at once", Argv: p.Kubectl("", "taint", "nodes", h.node, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")},
		}
	case h.pod != nil:
		f.Summary = analyzers.Line(fmt.Sprintf("%s is for one node at a time, and %s", volume, occupation(p, c.pod, h)), analyzers.MaxSummary)
		if h.pod.DeletionTimestamp != nil {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(h.pod).String(), Path: "metadata.deletionTimestamp", Quote: "being deleted", At: h.pod.DeletionTimestamp.Time})
		}
		f.Fixes = append(oneAtATime(p, c.pod, h.pod), describe)
	default:
		f.Fixes = []analyzers.Fix{describe}
		if h.node != "" {
			f.Summary = analyzers.Line(fmt.Sprintf("%s is still attached to node %s, though no pod there uses it", volume, h.node), analyzers.MaxSummary)
		}
	}
	p.Report(f)
}

func volumeName(c complaint) string {
	if c.volume == nil {
		return ""
	}
	return c.volume.Name
}

// holderSource is the object that tells who has the volume.
func holderSource(p *analyzers.Pass, c complaint, h holder) string {
	if h.pod != nil {
		return cluster.RefOf(h.pod).String()
	}
	if va := attachmentElsewhere(p, c); va != nil {
		return cluster.RefOf(va).String()
	}
	return cluster.RefOf(c.pod).String()
}

// holderOf finds who has the volume: the pods that use the claim know, and the attachment.
func holderOf(p *analyzers.Pass, c complaint) (holder, bool) {
	var h holder
	if c.volume != nil {
		for _, pod := range users(p, c.pod.Namespace, claimOf(c.pod, c.volume)) {
			if pod.UID != c.pod.UID && pod.Name != c.pod.Name && pod.Spec.NodeName != "" && pod.Spec.NodeName != c.pod.Spec.NodeName && !cluster.PodFinished(pod) {
				h.pod, h.node = pod, pod.Spec.NodeName
				break
			}
		}
	}
	if va := attachmentElsewhere(p, c); h.node == "" && va != nil {
		h.node = va.Spec.NodeName
	}
	if h.node == "" {
		return h, false
	}
	node, ok := cluster.Find[*corev1.Node](p.Snapshot, "", h.node)
	h.gone = !ok && p.Sees(cluster.Nodes, "")
	if ok && !cluster.NodeReady(node) {
		h.dead = node
	}
	return h, true
}

// attachmentElsewhere is the attachment of the volume to a node that is not the pod's.
func attachmentElsewhere(p *analyzers.Pass, c complaint) *storagev1.VolumeAttachment {
	if c.pv == nil {
		return nil
	}
	for _, va := range attachments(p)[c.pv.Name] {
		if va.Spec.NodeName != c.pod.Spec.NodeName {
			return va
		}
	}
	return nil
}

func attachments(p *analyzers.Pass) map[string][]*storagev1.VolumeAttachment {
	return cluster.Derive(p.Snapshot, "storage.attachments", func() map[string][]*storagev1.VolumeAttachment {
		m := map[string][]*storagev1.VolumeAttachment{}
		for va := range cluster.All[*storagev1.VolumeAttachment](p.Snapshot) {
			if name := deref(va.Spec.Source.PersistentVolumeName); name != "" {
				m[name] = append(m[name], va)
			}
		}
		return m
	})
}

func readiness(node *corev1.Node) analyzers.Evidence {
	e := analyzers.Evidence{Source: cluster.RefOf(node).String(), Path: "status.conditions[Ready]"}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			e.Quote, e.At = fmt.Sprintf("Ready: %s, %s: %s", c.Status, c.Reason, c.Message), c.LastTransitionTime.Time
		}
	}
	return e
}

// occupation says in a few words whose pod has the volume.
func occupation(p *analyzers.Pass, pod *corev1.Pod, h holder) string {
	mine, other := p.Root(pod), p.Root(h.pod)
	does := "still uses it"
	if h.pod.DeletionTimestamp != nil {
		does = "does not end"
	}
	if mine == other {
		return fmt.Sprintf("another pod of this %s on node %s %s", mine.Kind, h.node, does)
	}
	if other.Kind == "Pod" {
		return fmt.Sprintf("another pod on node %s %s", h.node, does)
	}
	return fmt.Sprintf("%s on node %s %s", other.Short(), h.node, does)
}

// oneAtATime are the ways out when two pods want a volume that only one can have.
func oneAtATime(p *analyzers.Pass, pod, other *corev1.Pod) []analyzers.Fix {
	if other.DeletionTimestamp != nil {
		return []analyzers.Fix{{Why: "Show why the old pod does not end: the volume is free once it is gone", Argv: p.Kubectl(other.Namespace, "describe", "pod", other.Name)}}
	}
	d, ok := p.RootObject(pod).(*appsv1.Deployment)
	if !ok || p.Root(other) != cluster.RefOf(d) {
		return []analyzers.Fix{{Why: "Let only one of the two use the claim, or have it on storage with access mode ReadWriteMany; the command shows its modes",
			Argv: p.Kubectl(pod.Namespace, "get", "pvc")}}
	}
	if replicas, _ := cluster.Replicas(d); replicas > 1 {
		return []analyzers.Fix{
			{Why: "Run one pod, as the volume cannot be shared", Argv: p.Kubectl(d.Namespace, "scale", cluster.RefOf(d).Short(), "--replicas=1")},
			{Why: "Or make it a StatefulSet with a claim for each pod, or use storage with access mode ReadWriteMany"},
		}
	}
	data, _ := json.Marshal(map[string]any{"spec": map[string]any{"strategy": map[string]any{"type": appsv1.RecreateDeploymentStrategyType, "rollingUpdate": nil}}})
	return []analyzers.Fix{{
		Why:   "Stop the old pod before the new one starts: with strategy RollingUpdate each waits for the other",
		Argv:  p.Kubectl(d.Namespace, "patch", cluster.RefOf(d).Short(), "--type", "strategic", "-p", string(data)),
		Patch: &analyzers.Patch{Target: cluster.RefOf(d), Data: data},
	}}
}

// reportExclusive is about a claim that only one pod may have (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go:
// "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode
// already in-use by another pod").
func reportExclusive(p *analyzers.Pass, pod *corev1.Pod) {
	for i := range pod.Spec.Volumes {
		v := pod.Spec.Volumes[i].PersistentVolumeClaim
		if v == nil {
			continue
		}
		pvc, ok := cluster.Find[*corev1.PersistentVolumeClaim](p.Snapshot, pod.Namespace, v.ClaimName)
		if !ok || !slices.Contains(pvc.Spec.AccessModes, corev1.ReadWriteOncePod) {
			continue
		}
		var h holder
		for _, other := range users(p, pod.Namespace, v.ClaimName) {
			if other.Name != pod.Name && other.Spec.NodeName != "" && !cluster.PodFinished(other) {
				h.pod, h.node = other, other.Spec.NodeName
			}
		}
		c := complaint{pod: pod, volume: &pod.Spec.Volumes[i]}
		if h.pod == nil || p.Since(pod.CreationTimestamp.Time) < bindPatience*2 || h.pod.DeletionTimestamp != nil && p.Since(h.pod.DeletionTimestamp.Time) < handover {
			continue
		}
		f := analyzers.Finding{
			Code: multiAttach, Subject: p.Root(pod), Part: volumeName(c), Affected: []analyzers.Ref{cluster.RefOf(pod)},
			Summary: analyzers.Line(fmt.Sprintf("Claim %s is for one pod at a time (ReadWriteOncePod), and %s", v.ClaimName, occupation(p, pod, h)), analyzers.MaxSummary),
			Evidence: []analyzers.Evidence{
				{Source: cluster.RefOf(pvc).String(), Path: "spec.accessModes", Quote: "accessModes: " + modesText(pvc.Spec.AccessModes)},
				{Source: cluster.RefOf(h.pod).String(), Path: "spec.volumes[*].persistentVolumeClaim.claimName", Quote: "claimName: " + v.ClaimName},
			},
			Fixes: oneAtATime(p, pod, h.pod),
		}
		if ev, ok := p.LastEvent(pod, nil, "FailedScheduling"); ok {
			f.Evidence = append(f.Evidence, eventOn(pod, ev))
		}
		p.Report(f)
	}
}
