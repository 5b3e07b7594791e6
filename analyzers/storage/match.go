package storage

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// volumesOf returns the volumes of one class that were made by hand, ordered by name.
// Those that a provisioner made are meant for one claim each.
func volumesOf(p *analyzers.Pass, class string) []*corev1.PersistentVolume {
	return handmade(p)[class]
}

func handmade(p *analyzers.Pass) map[string][]*corev1.PersistentVolume {
	return cluster.Derive(p.Snapshot, "storage.handmade", func() map[string][]*corev1.PersistentVolume {
		m := map[string][]*corev1.PersistentVolume{}
		for pv := range cluster.All[*corev1.PersistentVolume](p.Snapshot) {
			if pv.Annotations[annProvisionedBy] == "" {
				m[volumeClass(pv)] = append(m[volumeClass(pv)], pv)
			}
		}
		return m
	})
}

// ours reports whether a volume names this claim as the one that it is for: it gets this
// volume or none.
func ours(pv *corev1.PersistentVolume, pvc *corev1.PersistentVolumeClaim) bool {
	ref := pv.Spec.ClaimRef
	return ref != nil && ref.Namespace == pvc.Namespace && ref.Name == pvc.Name && (ref.UID == "" || ref.UID == pvc.UID)
}

// namesake reports whether a volume belongs to a claim of the same name that was there
// before and is deleted.
func namesake(pv *corev1.PersistentVolume, pvc *corev1.PersistentVolumeClaim) bool {
	ref := pv.Spec.ClaimRef
	return ref != nil && ref.Namespace == pvc.Namespace && ref.Name == pvc.Name && !ours(pv, pvc)
}

// A mismatch is one attribute for which a volume does not suit a claim.
type mismatch struct {
	what attribute
	path string // of the volume
	text string // "has 500Mi of the 1Gi asked for"
	cost int
}

type attribute string

const (
	byClaimRef attribute = "claimRef"
	byDeletion attribute = "deletion"
	bySize     attribute = "size"
	byClass    attribute = "class"
	byMode     attribute = "volumeMode"
	byAccess   attribute = "accessModes"
	byLabels   attribute = "labels"
	byPhase    attribute = "phase"
	byNode     attribute = "nodeAffinity"
)

// taken is what it costs that a volume belongs to somebody else: it is no volume that was
// meant to fit.
const taken = 10

// mismatches lists why a volume does not suit a claim, in the order in which the
// controller looks (k8s.io/component-helpers storage/volume/pv_helpers.go,
// FindMatchingVolume; k8s.io/kubernetes pkg/controller/volume/persistentvolume/
// pv_controller.go, checkVolumeSatisfyClaim).
func mismatches(pv *corev1.PersistentVolume, pvc *corev1.PersistentVolumeClaim) []mismatch {
	var out []mismatch
	add := func(what attribute, path string, cost int, format string, args ...any) {
		out = append(out, mismatch{what, path, fmt.Sprintf(format, args...), cost})
	}
	if ref := pv.Spec.ClaimRef; ref != nil && !ours(pv, pvc) {
		switch {
		case namesake(pv, pvc):
			add(byClaimRef, "spec.claimRef.uid", 1, "still belongs to a deleted claim of the same name")
		case pv.Status.Phase == corev1.VolumeReleased:
			add(byClaimRef, "spec.claimRef", 2, "still belongs to the deleted claim %s/%s", ref.Namespace, ref.Name)
		default:
			add(byClaimRef, "spec.claimRef", taken, "belongs to claim %s/%s", ref.Namespace, ref.Name)
		}
	}
	if pv.DeletionTimestamp != nil {
		add(byDeletion, "metadata.deletionTimestamp", 2, "is being deleted")
	}
	want, have := pvc.Spec.Resources.Requests[corev1.ResourceStorage], pv.Spec.Capacity[corev1.ResourceStorage]
	if have.Cmp(want) < 0 {
		add(bySize, "spec.capacity.storage", 1, "has %s of the %s asked for", have.String(), want.String())
	}
	if class, _ := claimClass(pvc); volumeClass(pv) != class {
		add(byClass, "spec.storageClassName", 2, "is of %s, not of %s", classText(volumeClass(pv)), classText(class))
	}
	if is, asked := volumeMode(pv.Spec.VolumeMode), volumeMode(pvc.Spec.VolumeMode); is != asked {
		add(byMode, "spec.volumeMode", 1, "has volumeMode %s, not %s", is, asked)
	}
	for _, mode := range pvc.Spec.AccessModes {
		if !slices.Contains(pv.Spec.AccessModes, mode) {
			add(byAccess, "spec.accessModes", 1, "offers %s, not %s", modesText(pv.Spec.AccessModes), mode)
			break
		}
	}
	if pvc.Spec.VolumeName == "" && pvc.Spec.Selector != nil {
		if sel, err := metav1.LabelSelectorAsSelector(pvc.Spec.Selector); err == nil && !sel.Matches(labels.Set(pv.Labels)) {
			add(byLabels, "metadata.labels", 1, "lacks the labels %s", sel)
		}
	}
	if pv.Spec.ClaimRef == nil && (pv.Status.Phase == corev1.VolumeFailed || pv.Status.Phase == corev1.VolumeReleased) {
		add(byPhase, "status.phase", 2, "is %s", pv.Status.Phase)
	}
	return out
}

func classText(name string) string {
	if name == "" {
		return "no class"
	}
	return "class " + name
}

func modesText(modes []corev1.PersistentVolumeAccessMode) string {
	out := make([]string, len(modes))
	for i, m := range modes {
		out[i] = string(m)
	}
	if len(out) == 0 {
		return "no access mode"
	}
	return strings.Join(out, ", ")
}

// reachable reports whether any node can use a volume; known is false when nodes were not
// read (k8s.io/component-helpers storage/volume/helpers.go, CheckNodeAffinity: only labels
// count).
func reachable(p *analyzers.Pass, pv *corev1.PersistentVolume) (yes, known bool) {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return true, true
	}
	selector := nodeaffinity.NewLazyErrorNodeSelector(pv.Spec.NodeAffinity.Required)
	for node := range cluster.All[*corev1.Node](p.Snapshot) {
		ok, err := selector.Match(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: node.Labels}})
		if err == nil && ok {
			return true, true
		}
	}
	return false, p.Sees(cluster.Nodes, "")
}

// affinityText is the node affinity of a volume in a few words: labels that a node must
// have, or one of several sets of them.
func affinityText(pv *corev1.PersistentVolume) string {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return ""
	}
	var terms []string
	for _, term := range pv.Spec.NodeAffinity.Required.NodeSelectorTerms {
		var all []string
		for _, e := range term.MatchExpressions {
			text := strings.TrimSpace(e.Key + " " + string(e.Operator) + " " + strings.Join(e.Values, ","))
			if e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
				text = e.Key + "=" + e.Values[0]
			}
			all = append(all, text)
		}
		terms = append(terms, strings.Join(all, " and "))
	}
	return strings.Join(terms, " or ")
}

// A candidate is a volume that a claim could have been meant to get.
type candidate struct {
	pv  *corev1.PersistentVolume
	why []mismatch
}

func (c candidate) cost() int {
	n := 0
	for _, m := range c.why {
		n += m.cost
	}
	return n
}

// tolerable is how far a volume may be off and still be called the nearest: two slips, or
// one that weighs more.
const tolerable = 2

// nearest returns the volume that misses the claim by least; ok is false when none comes
// near. fits tells of one that misses it in nothing. inUse counts the volumes of the
// claim's class that others have.
func nearest(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim) (best candidate, ok, fits bool, inUse int) {
	class, _ := claimClass(pvc)
	for _, list := range sortedVolumes(p) {
		for _, pv := range list {
			c := candidate{pv, mismatches(pv, pvc)}
			cost := c.cost()
			if cost >= taken {
				if volumeClass(pv) == class {
					inUse++
				}
				continue
			}
			if there, known := reachable(p, pv); cost == 0 && known && !there {
				c.why = append(c.why, mismatch{byNode, "spec.nodeAffinity", "can only be used where " + affinityText(pv) + ", and no node is there", 1})
				cost = 1
			}
			if cost == 0 {
				return c, true, true, inUse
			}
			if cost <= tolerable && related(volumeClass(pv), class) && (!ok || cost < best.cost()) {
				best, ok = c, true
			}
		}
	}
	if inUse > 0 && ok && volumeClass(best.pv) != class {
		return candidate{}, false, false, inUse // there are volumes for it, only not enough
	}
	return best, ok, false, inUse
}

// related reports whether one class may have been written for the other: it is the same, a
// slip away from it, or left out. A volume of quite another class is meant for others.
func related(a, b string) bool {
	if a == b || a == "" || b == "" {
		return true
	}
	_, near := analyzers.Nearest(a, []string{b})
	return near
}

func sortedVolumes(p *analyzers.Pass) [][]*corev1.PersistentVolume {
	m := handmade(p)
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := make([][]*corev1.PersistentVolume, len(keys))
	for i, k := range keys {
		out[i] = m[k]
	}
	return out
}
