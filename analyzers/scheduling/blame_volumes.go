package scheduling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// provisioning is how long a volume that is made on demand may take before its absence
// counts; cloud disks are there in less.
const provisioning = time.Minute

// comes reports whether a claim that stops the pod is only late.
func (q *inquiry) comes(t claimTrouble) bool {
	switch t.what {
	case claimMissing: // a controller makes those of the pod's own volumes
		return t.ephemeral && q.Since(q.pod.CreationTimestamp.Time) < provisioning
	case claimUnbound:
		_, failed := q.LastEvent(t.pvc, nil, "ProvisioningFailed")
		made := t.class != nil && t.class.Provisioner != notSupportedProvisioner
		return made && !failed && q.Since(t.pvc.CreationTimestamp.Time) < provisioning
	}
	return false
}

// claimFinding is about a claim without which no node is even looked at. The claim
// itself has a finding of its own where it exists.
func (q *inquiry) claimFinding() (analyzers.Finding, bool) {
	i := slices.IndexFunc(q.e.Everywhere, func(j Rejection) bool { return !q.comes(j.claim) })
	if i < 0 {
		return analyzers.Finding{}, false
	}
	t := q.e.Everywhere[i].claim
	ref := analyzers.Ref{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: q.pod.Namespace, Name: t.name}
	f := analyzers.Finding{Code: unboundClaim, CausedBy: []analyzers.Ref{ref}}
	uses := analyzers.Evidence{Source: cluster.RefOf(q.pod).String(), Path: "spec.volumes[*].persistentVolumeClaim.claimName", Quote: "claimName: " + t.name}
	describe := analyzers.Fix{Why: "Show what the claim waits for", Argv: q.Kubectl(q.pod.Namespace, "describe", "pvc", t.name)}
	if t.what == claimMissing {
		f.Summary = fmt.Sprintf("PersistentVolumeClaim %s does not exist", t.name)
		f.Shared = fmt.Sprintf("PersistentVolumeClaim %s/%s does not exist", q.pod.Namespace, t.name)
		f.Evidence = []analyzers.Evidence{uses}
		if near, ok := q.nearClaim(t.name); ok {
			f.Summary = fmt.Sprintf("PersistentVolumeClaim %s does not exist; %s was probably meant", t.name, near)
			if fix, ok := q.useClaim(t.name, near); ok {
				f.Fixes = append(f.Fixes, fix)
			}
		}
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Create the claim; the command shows those that exist", Argv: q.Kubectl(q.pod.Namespace, "get", "pvc")})
		return f, true
	}
	why := map[claimState]string{
		claimLost:    fmt.Sprintf("has lost its volume %s", t.pvc.Spec.VolumeName),
		claimDeleted: "is being deleted",
		claimUnbound: "is not bound to a volume: " + q.unboundWhy(t),
	}[t.what]
	f.Summary = fmt.Sprintf("PersistentVolumeClaim %s %s", t.name, why)
	f.Shared = fmt.Sprintf("PersistentVolumeClaim %s/%s %s", q.pod.Namespace, t.name, why)
	f.Evidence = []analyzers.Evidence{{Source: ref.String(), Path: "status.phase", Quote: fmt.Sprintf("phase: %s, storageClassName: %s", t.pvc.Status.Phase, cmp.Or(t.className, "none"))}, uses}
	f.Fixes = []analyzers.Fix{describe}
	// A class that is missing cannot be seen in the claim's own description.
	if t.what == claimUnbound && t.pvc.Spec.VolumeName == "" && t.class == nil && !q.handMade(t.className) && (t.className != "" || t.pvc.Spec.StorageClassName == nil) {
		why := fmt.Sprintf("Show the storage classes that exist, to create %s or to recreate the claim with one of them", t.className)
		if t.className == "" {
			why = "Show the storage classes that exist, to make one the default or to recreate the claim with one of them"
		}
		f.Fixes = []analyzers.Fix{{Why: why, Argv: q.Kubectl("", "get", "storageclass")}, describe}
	}
	return f, true
}

// unboundWhy says what the claim lacks, as far as its class shows it.
func (q *inquiry) unboundWhy(t claimTrouble) string {
	switch {
	case t.pvc.Spec.VolumeName != "":
		return "it asks for volume " + t.pvc.Spec.VolumeName + ", which is not bound to it"
	case t.className == "" && t.pvc.Spec.StorageClassName == nil:
		return "it names no storage class and there is no default one"
	case t.className == "":
		return "no volume without a storage class suits it"
	case t.class == nil && q.handMade(t.className):
		return fmt.Sprintf("no volume of class %s, which are made by hand, suits it", t.className)
	case t.class == nil:
		var classes []string
		for c := range cluster.All[*storagev1.StorageClass](q.Snapshot) {
			classes = append(classes, c.Name)
		}
		if near, ok := analyzers.Nearest(t.className, classes); ok {
			return fmt.Sprintf("storage class %s does not exist; %s was probably meant", t.className, near)
		}
		return fmt.Sprintf("storage class %s does not exist", t.className)
	case t.class.Provisioner == notSupportedProvisioner:
		return fmt.Sprintf("class %s makes no volumes, and no existing one suits it", t.className)
	}
	return fmt.Sprintf("%s has not made one", t.class.Provisioner)
}

// handMade reports whether volumes have a class for which there is no object: a class is no
// more than a name to those who make their volumes themselves.
func (q *inquiry) handMade(class string) bool {
	for pv := range cluster.All[*corev1.PersistentVolume](q.Snapshot) {
		if pv.Spec.StorageClassName == class {
			return true
		}
	}
	return false
}

func (q *inquiry) nearClaim(name string) (string, bool) {
	var names []string
	for pvc := range cluster.In[*corev1.PersistentVolumeClaim](q.Snapshot, q.pod.Namespace) {
		names = append(names, pvc.Name)
	}
	if near, ok := analyzers.Nearest(name, names); ok {
		return near, true
	}
	// search-data for search-index: the same first word, when only one claim has it.
	first, _, _ := strings.Cut(name, "-")
	alike := slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, first+"-") })
	if len(alike) == 1 {
		return alike[0], true
	}
	return "", false
}

func (q *inquiry) useClaim(name, near string) (analyzers.Fix, bool) {
	for _, v := range q.template().Volumes {
		if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == name {
			return q.change("Mount claim "+near+", which was probably meant", map[string]any{
				"volumes": []any{map[string]any{"name": v.Name, "persistentVolumeClaim": map[string]any{"claimName": near}}},
			}), true
		}
	}
	return analyzers.Fix{}, false
}

// volumeFinding is about volumes that exist, or could be made, where the pod cannot go.
func (q *inquiry) volumeFinding() analyzers.Finding {
	t := q.v.rows[0].of(q.v.kind)[0].claim
	ref := analyzers.Ref{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: q.pod.Namespace, Name: t.name}
	switch t.what {
	case noVolume:
		f := analyzers.Finding{
			Code: unboundClaim, CausedBy: []analyzers.Ref{ref},
			Summary:  fmt.Sprintf("PersistentVolumeClaim %s finds no volume on any node that fits: class %s makes none there and none that exists suits it", t.name, t.className),
			Shared:   fmt.Sprintf("PersistentVolumeClaim %s/%s finds no volume on any node that fits", q.pod.Namespace, t.name),
			Evidence: []analyzers.Evidence{{Source: "StorageClass " + t.className, Path: "provisioner", Quote: "provisioner: " + t.class.Provisioner}},
			Fixes:    []analyzers.Fix{{Why: "Show the volumes that exist; one must have the claim's class, size and access mode", Argv: q.Kubectl("", "get", "pv")}},
		}
		return f
	case volumeMissing:
		return analyzers.Finding{
			Code: unboundClaim, CausedBy: []analyzers.Ref{ref},
			Summary:  fmt.Sprintf("PersistentVolumeClaim %s is bound to volume %s, which does not exist", t.name, t.pvc.Spec.VolumeName),
			Shared:   fmt.Sprintf("PersistentVolumeClaim %s/%s is bound to volume %s, which does not exist", q.pod.Namespace, t.name, t.pvc.Spec.VolumeName),
			Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "spec.volumeName", Quote: "volumeName: " + t.pvc.Spec.VolumeName}},
			Fixes:    []analyzers.Fix{{Why: "Show the claim", Argv: q.Kubectl(q.pod.Namespace, "describe", "pvc", t.name)}},
		}
	case otherNode:
		node := t.pvc.Annotations[annSelectedNode]
		f := analyzers.Finding{
			Code:     zoneConflict,
			Summary:  fmt.Sprintf("A volume for claim %s is being made for node %s, where the pod cannot go", t.name, node),
			Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "metadata.annotations[" + annSelectedNode + "]", Quote: annSelectedNode + ": " + node}},
			Fixes: []analyzers.Fix{{Why: "Let the scheduler choose the node for the volume again",
				Argv: q.Kubectl(q.pod.Namespace, "annotate", "pvc", t.name, annSelectedNode+"-")}},
		}
		if q.ev.byName[node] == nil {
			f.Summary = fmt.Sprintf("A volume for claim %s is being made for node %s, which does not exist", t.name, node)
		}
		return f
	}
	return q.zoneFinding(t, ref)
}

func (q *inquiry) zoneFinding(t claimTrouble, ref analyzers.Ref) analyzers.Finding {
	var tie string
	for _, key := range zoneLabels {
		if v, ok := t.pv.Labels[key]; ok && tie == "" {
			tie = key + "=" + v
		}
	}
	if t.pv.Spec.NodeAffinity != nil && t.pv.Spec.NodeAffinity.Required != nil {
		tie = affinityText(t.pv.Spec.NodeAffinity.Required)
	}
	f := analyzers.Finding{Code: zoneConflict}
	pv := "PersistentVolume " + t.pv.Name
	var there []string // nodes that reach the volume
	for _, n := range q.ev.nodes {
		row := q.row(n.node.Name)
		if row.Node == n.node.Name && !row.has(byVolume) {
			there = append(there, n.node.Name)
		}
	}
	f.Summary = fmt.Sprintf("Volume %s of claim %s can only be used where %s, but no node is there", t.pv.Name, t.name, tie)
	if len(there) > 0 {
		f.Summary = fmt.Sprintf("Volume %s of claim %s can only be used where %s, but the pod cannot go to %s", t.pv.Name, t.name, tie, nodesText(there))
	}
	f.Evidence = []analyzers.Evidence{
		{Source: pv, Path: "spec.nodeAffinity", Quote: "nodeAffinity: " + tie},
		{Source: ref.String(), Path: "spec.volumeName", Quote: "volumeName: " + t.pv.Name},
	}
	if len(there) > 0 {
		row := q.row(there[0])
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(there[0]).String(), Path: string(row.Rejections[0].Filter), Quote: row.Rejections[0].Reason})
		f.Fixes = []analyzers.Fix{{Why: fmt.Sprintf("Change what keeps the pod off %s: %s", nodesText(there), row.Rejections[0].Reason)}}
		return f
	}
	f.Evidence = append(f.Evidence, q.elsewhere(nil)...)
	f.Fixes = []analyzers.Fix{
		{Why: "Add a node where " + tie + ", or bring back the one that was there; the command shows where nodes are",
			Argv: q.Kubectl("", "get", "nodes", "-L", "topology.kubernetes.io/zone,kubernetes.io/hostname")},
		{Why: "Use a storage class with volumeBindingMode WaitForFirstConsumer for new volumes: they are made where the pod goes"},
	}
	return f
}
