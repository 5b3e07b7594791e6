package scheduling

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Annotations and names of k8s.io/component-helpers storage/volume/pv_helpers.go.
const (
	annBindCompleted        = "pv.kubernetes.io/bind-completed"
	annSelectedNode         = "volume.kubernetes.io/selected-node"
	notSupportedProvisioner = "kubernetes.io/no-provisioner"
)

// A claim is one volume claim of a pod and what the Snapshot knows of it.
type claim struct {
	name      string
	ephemeral bool                          // made for this pod by a controller
	pvc       *corev1.PersistentVolumeClaim // nil when it does not exist
	class     *storagev1.StorageClass
	className string
	pv        *corev1.PersistentVolume // that the claim names
	bound     bool
	waits     bool        // binds when its first pod is scheduled
	usedBy    *corev1.Pod // of a claim for one pod only: the pod that has it
}

// claimTrouble is why a claim stops its pod.
type claimTrouble struct {
	claim
	what claimState
}

type claimState string

const (
	claimMissing  claimState = "missing"
	claimLost     claimState = "lost"
	claimDeleted  claimState = "deleted"
	claimUnbound  claimState = "unbound"   // and should have been bound at once
	volumeMissing claimState = "no volume" // bound to one that does not exist
	noVolume      claimState = "no match"  // waits for a pod, and nothing can give it a volume here
	otherNode     claimState = "selected"  // its volume is being made for another node
	elsewhere     claimState = "elsewhere" // its volume cannot be reached from here
	inUse         claimState = "in use"
)

// claimsOf looks up the pod's claims. One that cannot be judged, as claims or classes
// are not visible, is left out: nothing is said of it.
func (ev *evaluator) claimsOf(pod *corev1.Pod) []claim {
	var out []claim
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		var c claim
		switch {
		case v.PersistentVolumeClaim != nil:
			c.name = v.PersistentVolumeClaim.ClaimName
		case v.Ephemeral != nil: // component-helpers storage/ephemeral/ephemeral.go, VolumeClaimName
			c.name, c.ephemeral = pod.Name+"-"+v.Name, true
		default:
			continue
		}
		pvc, ok := cluster.Find[*corev1.PersistentVolumeClaim](ev.s, pod.Namespace, c.name)
		if !ok {
			if ev.s.Sees(cluster.PersistentVolumeClaims, pod.Namespace) {
				out = append(out, c)
			}
			continue
		}
		c.pvc, c.className = pvc, classOf(pvc.Annotations, pvc.Spec.StorageClassName)
		_, completed := pvc.Annotations[annBindCompleted]
		c.bound = pvc.Spec.VolumeName != "" && completed
		if class, ok := cluster.Find[*storagev1.StorageClass](ev.s, "", c.className); ok {
			c.class = class
			c.waits = class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
		} else if !c.bound && c.className != "" && !ev.s.Sees(cluster.StorageClasses, "") {
			continue
		}
		if pv, ok := cluster.Find[*corev1.PersistentVolume](ev.s, "", pvc.Spec.VolumeName); ok {
			c.pv = pv
		}
		out = append(out, c)
	}
	return out
}

func classOf(annotations map[string]string, name *string) string {
	if class, ok := annotations[corev1.BetaStorageClassAnnotation]; ok {
		return class
	}
	if name != nil {
		return *name
	}
	return ""
}

// claimTroubles is what stops the pod before any node is looked at (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/volumebinding/volume_binding.go, podHasPVCs, and
// binder.go, GetPodVolumeClaims).
func (r *request) claimTroubles() []Rejection {
	var out []Rejection
	for _, c := range r.claims {
		reject := func(what claimState, format string, args ...any) {
			out = append(out, Rejection{Filter: VolumeBinding, kind: byClaim, claim: claimTrouble{c, what}, Reason: fmt.Sprintf(format, args...)})
		}
		switch {
		case c.pvc == nil:
			reject(claimMissing, "PersistentVolumeClaim %s does not exist", c.name)
		case c.pvc.Status.Phase == corev1.ClaimLost:
			reject(claimLost, "PersistentVolumeClaim %s has lost its volume %s", c.name, c.pvc.Spec.VolumeName)
		case c.pvc.DeletionTimestamp != nil:
			reject(claimDeleted, "PersistentVolumeClaim %s is being deleted", c.name)
		case !c.bound && (!c.waits || c.pvc.Spec.VolumeName != ""):
			reject(claimUnbound, "PersistentVolumeClaim %s is not bound to a volume", c.name)
		}
	}
	return out
}

// volumeInUse is ReadWriteOncePod: one pod of the cluster at a time (plugins/
// volumerestrictions/volume_restrictions.go). The rules of that plugin about disks named
// in the pod itself are left out: those volume types are gone or migrated to CSI.
func (r *request) volumeInUse(_ *nodeState, out []Rejection) []Rejection {
	for _, c := range r.claims {
		if c.usedBy != nil {
			out = append(out, Rejection{Filter: VolumeRestrictions, kind: byUse, claim: claimTrouble{c, inUse},
				Reason: fmt.Sprintf("PersistentVolumeClaim %s is ReadWriteOncePod and %s uses it", c.name, cluster.RefOf(c.usedBy))})
		}
	}
	return out
}

// findUsers finds the pods that have the pod's ReadWriteOncePod claims.
func (r *request) findUsers() {
	for i := range r.claims {
		c := &r.claims[i]
		if c.pvc == nil || !slices.Contains(c.pvc.Spec.AccessModes, corev1.ReadWriteOncePod) {
			continue
		}
		for at := range r.present(r.pod.Namespace) {
			if mounts(at.pod, c.name) {
				c.usedBy = at.pod
				break
			}
		}
	}
}

func mounts(pod *corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim
	})
}

// volumes checks that the bound volumes can be reached from the node, and that those to
// be bound there can be (volumebinding/binder.go, FindPodVolumes). Whether the storage
// has enough room (CSIStorageCapacity) is not known here.
func (r *request) volumes(n *nodeState, out []Rejection) []Rejection {
	for _, c := range r.claims {
		reject := func(k kind, what claimState, reason string) {
			out = append(out, Rejection{Filter: VolumeBinding, kind: k, claim: claimTrouble{c, what}, Reason: reason})
		}
		switch {
		case c.pvc == nil:
		case c.bound && c.pv == nil:
			if r.ev.s.Sees(cluster.PersistentVolumes, "") {
				reject(byVolume, volumeMissing, "PersistentVolume "+c.pvc.Spec.VolumeName+" does not exist")
			}
		case c.bound:
			if !reachable(c.pv, n.node) {
				reject(byVolume, elsewhere, fmt.Sprintf("PersistentVolume %s is tied to %s", c.pv.Name, affinityText(c.pv.Spec.NodeAffinity.Required)))
			}
		case !c.waits:
		case c.pvc.Annotations[annSelectedNode] != "":
			if node := c.pvc.Annotations[annSelectedNode]; node != n.node.Name {
				reject(byVolume, otherNode, fmt.Sprintf("a volume for PersistentVolumeClaim %s is being made for node %s", c.name, node))
			} else if !provisionable(c.class, n.node) {
				reject(byBinding, noVolume, "no volume for PersistentVolumeClaim "+c.name+" can be made on this node")
			}
		case !r.bindable(&c, n.node):
			reject(byBinding, noVolume, "no volume for PersistentVolumeClaim "+c.name+" can be had on this node")
		}
	}
	return out
}

func reachable(pv *corev1.PersistentVolume, node *corev1.Node) bool {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return true
	}
	// Only labels count for a volume, not the node's name (CheckNodeAffinity).
	ok, err := nodeaffinity.NewLazyErrorNodeSelector(pv.Spec.NodeAffinity.Required).Match(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: node.Labels}})
	return err == nil && ok
}

// bindable reports whether a claim that waits for its pod can get a volume on the node:
// one that exists (component-helpers storage/volume, FindMatchingVolume) or one that is
// made for it (checkVolumeProvisions).
func (r *request) bindable(c *claim, node *corev1.Node) bool {
	found := false
	for pv := range cluster.All[*corev1.PersistentVolume](r.ev.s) {
		if !alike(pv, c) {
			continue
		}
		if ref := pv.Spec.ClaimRef; ref != nil {
			if ref.Namespace == c.pvc.Namespace && ref.Name == c.pvc.Name && (ref.UID == "" || ref.UID == c.pvc.UID) {
				found = reachable(pv, node) // this one or none
				break
			}
			continue
		}
		found = found || suits(pv, c) && reachable(pv, node)
	}
	return found || provisionable(c.class, node) || !r.ev.s.Sees(cluster.PersistentVolumes, "")
}

func provisionable(class *storagev1.StorageClass, node *corev1.Node) bool {
	return class.Provisioner != "" && class.Provisioner != notSupportedProvisioner && allowedTopology(class.AllowedTopologies, node.Labels)
}

// alike compares what must agree before all else: class, size and mode.
func alike(pv *corev1.PersistentVolume, c *claim) bool {
	want, have := c.pvc.Spec.Resources.Requests[corev1.ResourceStorage], pv.Spec.Capacity[corev1.ResourceStorage]
	return classOf(pv.Annotations, &pv.Spec.StorageClassName) == c.className && have.Cmp(want) >= 0 && volumeMode(pv.Spec.VolumeMode) == volumeMode(c.pvc.Spec.VolumeMode) && pv.DeletionTimestamp == nil
}

func suits(pv *corev1.PersistentVolume, c *claim) bool {
	if pv.Status.Phase != corev1.VolumeAvailable {
		return false
	}
	if c.pvc.Spec.Selector != nil {
		if sel, err := metav1.LabelSelectorAsSelector(c.pvc.Spec.Selector); err != nil || !sel.Matches(labels.Set(pv.Labels)) {
			return false
		}
	}
	for _, mode := range c.pvc.Spec.AccessModes {
		if !slices.Contains(pv.Spec.AccessModes, mode) {
			return false
		}
	}
	return true
}

func volumeMode(m *corev1.PersistentVolumeMode) corev1.PersistentVolumeMode {
	if m == nil {
		return corev1.PersistentVolumeFilesystem
	}
	return *m
}

// allowedTopology is MatchTopologySelectorTerms: one of the terms, all of its labels.
func allowedTopology(terms []corev1.TopologySelectorTerm, set map[string]string) bool {
	if len(terms) == 0 {
		return true
	}
	return slices.ContainsFunc(terms, func(t corev1.TopologySelectorTerm) bool {
		for _, e := range t.MatchLabelExpressions {
			if value, ok := set[e.Key]; !ok || !slices.Contains(e.Values, value) {
				return false
			}
		}
		return len(t.MatchLabelExpressions) > 0
	})
}

var zoneLabels = []string{
	corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion, corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
}

// volumeZone compares the zone labels of bound volumes with the node's (plugins/
// volumezone/volume_zone.go). A node without any such label is in no zone and fits; a
// value may list several zones, apart by "__".
func (r *request) volumeZone(n *nodeState, out []Rejection) []Rejection {
	if !slices.ContainsFunc(zoneLabels, func(key string) bool { _, ok := n.node.Labels[key]; return ok }) {
		return out
	}
	for _, c := range r.claims {
		if c.pv == nil || c.ephemeral {
			continue
		}
		for _, key := range zoneLabels {
			zones, ok := c.pv.Labels[key]
			if !ok {
				continue
			}
			value, labelled := n.node.Labels[key]
			if !labelled {
				value, labelled = n.node.Labels[strings.Replace(key, "failure-domain.beta.kubernetes.io/", "topology.kubernetes.io/", 1)]
			}
			if !labelled || !slices.Contains(strings.Split(zones, "__"), value) {
				out = append(out, Rejection{Filter: VolumeZone, kind: byVolume, claim: claimTrouble{c, elsewhere},
					Reason: fmt.Sprintf("PersistentVolume %s is in %s=%s", c.pv.Name, key, zones)})
				break
			}
		}
	}
	return out
}
