package storage

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoVolume reports claims that must get a volume which exists and get none: of the nearest
// volume it says in what it does not fit.
var NoVolume = &analyzers.Analyzer{
	Name: "storage/no-volume",
	Doc: `claims that no existing volume suits, and in what the nearest one differs

Only claims without a provisioner are looked at. One that waits for its first pod is well
until that pod is there. When a volume suits and a node reaches it, the pod itself is what
does not fit there, and that is the scheduler's to say.`,
	Needs: []schema.GroupKind{cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.StorageClasses, cluster.Pods, cluster.Nodes, cluster.Events},
	Emits: []analyzers.Code{noVolume},
	Run: func(p *analyzers.Pass) error {
		if !p.Sees(cluster.PersistentVolumes, "") {
			return nil
		}
		for pvc := range unbound(p) {
			c, ok := ripe(p, pvc)
			switch {
			case !ok:
			case pvc.Spec.VolumeName != "":
				c.reportRequested()
			case c.takesHandMade():
				c.reportNearest()
			}
		}
		for pvc := range cluster.Scoped[*corev1.PersistentVolumeClaim](p.Snapshot) {
			if pvc.Status.Phase == corev1.ClaimLost && pvc.DeletionTimestamp == nil {
				reportLost(p, pvc)
			}
		}
		return nil
	},
}

// takesHandMade reports whether nothing makes volumes for the claim, so that it can only
// get one that exists.
func (c claimCase) takesHandMade() bool {
	class, exists := cluster.Find[*storagev1.StorageClass](c.Snapshot, "", c.class)
	switch {
	case exists && class.Provisioner != noProvisioner:
		return false
	case exists && delays(class):
		// Without a pod that the scheduler tries to place, nothing is looked for.
		for _, pod := range c.waiters {
			if cond := cluster.PodCondition(pod, corev1.PodScheduled); pod.Spec.NodeName == "" && cond != nil && cond.Status == corev1.ConditionFalse {
				return true
			}
		}
		return false
	case exists, c.named && c.class == "":
		return true
	case !c.Sees(cluster.StorageClasses, ""), !c.named && c.hasDefault():
		return false // its class is not known, or about to be written into it
	}
	return handMade(c.Pass, c) // otherwise storage/no-class tells
}

// reportRequested is about a claim that names its volume.
func (c claimCase) reportRequested() {
	name := c.pvc.Spec.VolumeName
	pv, ok := cluster.Find[*corev1.PersistentVolume](c.Snapshot, "", name)
	if !ok {
		f := c.finding(noVolume, "%s asks for volume %s, which does not exist", c.name(), name)
		var names []string
		for pv := range cluster.All[*corev1.PersistentVolume](c.Snapshot) {
			names = append(names, pv.Name)
		}
		if near, ok := analyzers.Nearest(name, names); ok {
			f.Summary = analyzers.Line(f.Summary+"; "+near+" was probably meant", analyzers.MaxSummary)
		}
		f.Evidence = []analyzers.Evidence{{Source: c.source(), Path: "spec.volumeName", Quote: "volumeName: " + name}}
		f.Fixes = []analyzers.Fix{{Why: "Create the volume, or create the claim anew with the name of one of these", Argv: c.Kubectl("", "get", "pv")}}
		c.Report(f)
		return
	}
	why := mismatches(pv, c.pvc)
	if len(why) == 0 {
		return // it is about to be bound
	}
	f := c.finding(noVolume, "%s asks for volume %s, which %s", c.name(), name, texts(why))
	c.proof(&f, candidate{pv, why})
	c.Report(f)
}

func (c claimCase) reportNearest() {
	best, ok, fits, inUse := nearest(c.Pass, c.pvc)
	if fits {
		return
	}
	if ok {
		f := c.finding(noVolume, "%s gets no volume: the nearest one, %s, %s", c.name(), best.pv.Name, texts(best.why))
		c.proof(&f, best)
		c.Report(f)
		return
	}
	maker := "nothing makes one"
	if class, exists := cluster.Find[*storagev1.StorageClass](c.Snapshot, "", c.class); exists {
		maker = "its provisioner " + class.Provisioner + " makes none"
	}
	why := fmt.Sprintf("no volume of %s exists, and %s", classText(c.class), maker)
	if inUse > 0 {
		why = fmt.Sprintf("%s of %s, and %s", plural(inUse, "another claim has the only volume", "other claims have all %d volumes"), classText(c.class), maker)
	}
	f := c.finding(noVolume, "%s gets no volume: %s", c.name(), why)
	f.Evidence = []analyzers.Evidence{{Source: c.source(), Path: "spec", Quote: wants(c.pvc)}}
	if ev, ok := c.LastEvent(c.pvc, nil, "FailedBinding", "ProvisioningFailed"); ok {
		f.Evidence = append(f.Evidence, eventOn(c.pvc, ev))
	}
	f.Fixes = []analyzers.Fix{
		{Why: fmt.Sprintf("Create a volume of %s with %s and %s; the command shows those that exist", classText(c.class), size(c.pvc.Spec.Resources.Requests), modesText(c.pvc.Spec.AccessModes)), Argv: c.Kubectl("", "get", "pv")},
		{Why: "Or create the claim anew with a class that makes volumes: the class of a claim cannot be changed", Argv: c.Kubectl("", "get", "storageclass")},
	}
	c.Report(f)
}

func wants(pvc *corev1.PersistentVolumeClaim) string {
	class, _ := claimClass(pvc)
	return fmt.Sprintf("storageClassName: %q, accessModes: [%s], storage: %s", class, modesText(pvc.Spec.AccessModes), size(pvc.Spec.Resources.Requests))
}

func texts(why []mismatch) string {
	out := make([]string, len(why))
	for i, m := range why {
		out[i] = m.text
	}
	return strings.Join(out, " and ")
}

// proof adds evidence and fixes for the volume that comes nearest.
func (c claimCase) proof(f *analyzers.Finding, best candidate) {
	ref := cluster.RefOf(best.pv)
	for _, m := range best.why {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: m.path, Quote: best.pv.Name + " " + m.text})
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: c.source(), Path: "spec", Quote: wants(c.pvc)})
	if ev, ok := c.LastEvent(c.pvc, nil, "VolumeMismatch", "FailedBinding"); ok {
		f.Evidence = append(f.Evidence, eventOn(c.pvc, ev))
	}
	if len(best.why) == 1 {
		if why, spec := c.change(best.why[0]); spec != nil {
			patch, _ := json.Marshal(spec)
			f.Fixes = append(f.Fixes, analyzers.Fix{
				Why: why, Argv: c.Kubectl("", "patch", "pv", best.pv.Name, "--type", "strategic", "-p", string(patch)),
				Patch: &analyzers.Patch{Target: ref, Data: patch},
			})
		}
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{
		Why:  "Show the volume; what a claim that is not bound asks for cannot be changed, so create either of them anew to fit the other",
		Argv: c.Kubectl("", "describe", "pv", best.pv.Name),
	})
}

// change is what could be changed of the volume. Its size and the nodes that reach it are
// facts of the disk behind it.
func (c claimCase) change(m mismatch) (why string, patch map[string]any) {
	switch m.what {
	case byClass:
		return "Give the volume the class that the claim names", map[string]any{"spec": map[string]any{"storageClassName": c.class}}
	case byAccess:
		return "Let the volume offer the mode, if the storage behind it can do that", map[string]any{"spec": map[string]any{"accessModes": c.pvc.Spec.AccessModes}}
	case byLabels:
		if len(c.pvc.Spec.Selector.MatchExpressions) == 0 {
			return "Give the volume the labels that the claim selects by", map[string]any{"metadata": map[string]any{"labels": c.pvc.Spec.Selector.MatchLabels}}
		}
	case byClaimRef:
		if strings.HasSuffix(m.path, "uid") {
			return "Keep the volume and its data for the claim of this name, now the new one", map[string]any{"spec": map[string]any{"claimRef": map[string]any{"uid": nil, "resourceVersion": nil}}}
		}
	}
	return "", nil
}

// reportLost is about a claim whose volume was deleted behind its back: nothing brings the
// binding back but the volume itself.
func reportLost(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim) {
	c := claimCase{Pass: p, pvc: pvc, waiters: waiters(p, pvc)}
	f := c.finding(noVolume, "%s has lost its volume %s, which was deleted", c.name(), pvc.Spec.VolumeName)
	f.Severity = analyzers.Error
	f.Evidence = []analyzers.Evidence{{Source: c.source(), Path: "status.phase", Quote: "phase: Lost, volumeName: " + pvc.Spec.VolumeName}}
	if ev, ok := p.LastEvent(pvc, nil, "ClaimLost", "ClaimMisbound"); ok {
		f.Evidence = append(f.Evidence, eventOn(pvc, ev))
	}
	f.Fixes = []analyzers.Fix{
		{Why: "Create the volume again over the same disk with spec.claimRef naming this claim: the disk itself may still be there"},
		{Why: "Show what the claim says of its volume", Argv: p.Kubectl(pvc.Namespace, "describe", "pvc", pvc.Name)},
	}
	p.Report(f)
}
