package storage

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoClass reports claims that name a storage class that does not exist, or none where
// there is no default.
var NoClass = &analyzers.Analyzer{
	Name: "storage/no-class",
	Doc: `claims with a storage class that does not exist, or none and no default

A class that only volumes made by hand name needs no StorageClass object: such claims are
left to storage/no-volume. With two default classes the newer one is taken, so that is no
fault.`,
	Needs: []schema.GroupKind{cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.StorageClasses, cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{noClass},
	Run: func(p *analyzers.Pass) error {
		for pvc := range unbound(p) {
			if pvc.Spec.VolumeName != "" || !p.Sees(cluster.StorageClasses, "") {
				continue
			}
			c, ok := ripe(p, pvc)
			if !ok && !c.told() || handMade(p, c) {
				continue
			}
			switch _, exists := cluster.Find[*storagev1.StorageClass](p.Snapshot, "", c.class); {
			case !c.named:
				c.reportNoDefault()
			case c.class != "" && !exists:
				c.reportUnknownClass()
			}
		}
		return nil
	},
}

// toldPatience is enough where the controller has looked and said so, and pods wait.
const toldPatience = 5 * time.Second

func (c claimCase) told() bool {
	_, said := c.LastEvent(c.pvc, nil, "ProvisioningFailed", "FailedBinding")
	return said && len(c.waiters) > 0 && c.Since(c.pvc.CreationTimestamp.Time) >= toldPatience
}

// handMade reports whether a claim is meant for volumes that somebody makes by hand: some
// have its class, or, when it names none, one without a class is free.
func handMade(p *analyzers.Pass, c claimCase) bool {
	for _, pv := range volumesOf(p, c.class) {
		if c.class != "" || pv.Status.Phase == corev1.VolumeAvailable || ours(pv, c.pvc) {
			return true
		}
	}
	return false
}

// reportNoDefault is about a claim that leaves the class to the cluster. Once there is a
// default, the controller gives it to the claim (k8s.io/kubernetes
// pkg/controller/volume/persistentvolume/pv_controller.go, assignDefaultStorageClass).
func (c claimCase) reportNoDefault() {
	if c.hasDefault() {
		return
	}
	var only []*storagev1.StorageClass // that can make volumes
	for class := range cluster.All[*storagev1.StorageClass](c.Snapshot) {
		if class.Provisioner != noProvisioner {
			only = append(only, class)
		}
	}
	f := c.finding(noClass, "%s names no storage class, and none is the default", c.name())
	f.CausedBy = []analyzers.Ref{classRef("(default)")}
	f.Shared = "No storage class is the default, and claims that name none get no volume"
	f.Evidence = []analyzers.Evidence{{Source: c.source(), Path: "spec.storageClassName", Quote: "storageClassName is not set"}}
	if len(only) > 0 {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(only[0]).String(), Path: "metadata.annotations[" + annDefaultClass + "]", Quote: "is-default-class is not true"})
	}
	// Normal, not Warning: the controller does not see a fault in it.
	if ev, ok := c.LastEvent(c.pvc, nil, "FailedBinding"); ok {
		f.Evidence = append(f.Evidence, eventOn(c.pvc, ev))
	}
	if len(only) == 1 {
		patch, _ := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annDefaultClass: "true"}}})
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:   fmt.Sprintf("Make %s, the only class that makes volumes, the default; claims that wait get it too", only[0].Name),
			Argv:  c.Kubectl("", "annotate", "storageclass", only[0].Name, annDefaultClass+"=true"),
			Patch: &analyzers.Patch{Target: cluster.RefOf(only[0]), Data: patch},
		})
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{
		Why:  "Show the classes that exist, to make one the default or to create the claim anew with one of them",
		Argv: c.Kubectl("", "get", "storageclass"),
	})
	c.Report(f)
}

func (c claimCase) hasDefault() bool {
	for class := range cluster.All[*storagev1.StorageClass](c.Snapshot) {
		if isDefault(class) {
			return true
		}
	}
	return false
}

// reportUnknownClass is about a class that is not there; the claim cannot be changed to
// another one any more.
func (c claimCase) reportUnknownClass() {
	names := classNames(c.Pass)
	near, ok := analyzers.Nearest(c.class, names)
	what := fmt.Sprintf("storage class %s, which does not exist", c.class)
	again := "Show the classes that exist: create " + c.class + ", or create the claim anew with one of them, as its class cannot be changed"
	f := c.finding(noClass, "%s names %s", c.name(), what)
	f.Shared = "Storage class " + c.class + " does not exist"
	switch {
	case ok:
		f.Summary = analyzers.Line(fmt.Sprintf("%s names %s; %s was probably meant", c.name(), what, near), analyzers.MaxSummary)
		f.Shared += "; " + near + " was probably meant"
		again = "Create the claim anew with class " + near + ": its class cannot be changed, and it holds no data yet; the command shows the class"
	case len(names) == 0:
		f.Shared += ", nor does any other"
	}
	f.CausedBy = []analyzers.Ref{classRef(c.class)}
	f.Evidence = []analyzers.Evidence{{Source: c.source(), Path: "spec.storageClassName", Quote: "storageClassName: " + c.class}}
	if ev, told := c.LastEvent(c.pvc, nil, "ProvisioningFailed"); told {
		f.Evidence = append(f.Evidence, eventOn(c.pvc, ev))
	}
	argv := c.Kubectl("", "get", "storageclass")
	if ok {
		argv = append(argv, near)
	}
	f.Fixes = []analyzers.Fix{{Why: again, Argv: argv}}
	if sts, template := c.claimTemplate(); sts != "" {
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  fmt.Sprintf("Correct the class in template %s too: claim templates cannot be changed, so delete the StatefulSet, leave its pods, and apply it again", template),
			Argv: c.Kubectl(c.pvc.Namespace, "delete", "statefulset", sts, "--cascade=orphan"),
		})
	}
	c.Report(f)
}

// claimTemplate is the StatefulSet that made the claim, and the template in it.
func (c claimCase) claimTemplate() (set, template string) {
	for _, pod := range c.waiters {
		root := c.Root(pod)
		if root.Kind != "StatefulSet" {
			continue
		}
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == c.pvc.Name && c.pvc.Name == v.Name+"-"+pod.Name {
				return root.Name, v.Name
			}
		}
	}
	return "", ""
}
