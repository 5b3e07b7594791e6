package storage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoProvisioner reports claims whose provisioner has not said a word.
var NoProvisioner = &analyzers.Analyzer{
	Name: "storage/no-provisioner",
	Doc: `claims that wait for a provisioner that gives no sign of life

A provisioner that is at work says so in an event (Provisioning), and one that fails says
why (ProvisioningFailed): both are left alone. So is a claim that waits for its first pod
to be scheduled.`,
	Needs: []schema.GroupKind{cluster.PersistentVolumeClaims, cluster.StorageClasses, cluster.CSIDrivers, cluster.Pods, cluster.DaemonSets, cluster.Leases, cluster.Events},
	Emits: []analyzers.Code{provisionerMissing},
	Run: func(p *analyzers.Pass) error {
		for pvc := range unbound(p) {
			c, ok := ripe(p, pvc)
			class, exists := cluster.Find[*storagev1.StorageClass](p.Snapshot, "", c.class)
			// Without events it cannot be heard what the provisioner says.
			if !ok || !p.Sees(cluster.Events, pvc.Namespace) || pvc.Spec.VolumeName != "" || !exists || class.Provisioner == noProvisioner || delays(class) && pvc.Annotations[annSelectedNode] == "" {
				continue
			}
			provisioner := pvc.Annotations[annProvisioner]
			if provisioner == "" {
				provisioner = pvc.Annotations[annBetaProvisioner]
			}
			// The controller names the provisioner, after migration to CSI, as soon as it
			// leaves the claim to it.
			if provisioner != "" && !c.answered() {
				c.reportSilent(provisioner)
			}
		}
		return nil
	},
}

// silence is how long a provisioner may let a claim wait without a word: it may have to
// elect a leader first. One that is not installed need not be waited for.
const silence, absence = 3 * time.Minute, time.Minute

// answered reports whether anybody but the controller has written about the claim:
// provisioners do so under their own name, and so do programs that fill a volume first
// (k8s.io/kubernetes pkg/controller/volume/persistentvolume: "persistentvolume-controller";
// sig-storage-lib-external-provisioner controller/controller.go: <provisioner>_<identity>).
func (c claimCase) answered() bool {
	return slices.ContainsFunc(c.EventsFor(c.pvc), func(ev *corev1.Event) bool {
		return !strings.Contains(ev.Source.Component+ev.ReportingController, "persistentvolume-controller")
	})
}

// since is when the claim was left to its provisioner.
func (c claimCase) since() (time.Time, *corev1.Event) {
	since := c.pvc.CreationTimestamp.Time
	ev, ok := c.LastEvent(c.pvc, nil, "ExternalProvisioning")
	if !ok {
		return since, nil
	}
	if first := ev.FirstTimestamp.Time; first.After(since) {
		since = first
	}
	return since, ev
}

func (c claimCase) reportSilent(provisioner string) {
	_, installed := cluster.Find[*storagev1.CSIDriver](c.Snapshot, "", provisioner)
	plugin := pluginOf(c.Pass, provisioner)
	l, elected := lease(c.Pass, provisioner)
	gone := c.Sees(cluster.CSIDrivers, "") && !installed && len(plugin.onNodes)+len(plugin.controllers) == 0 && !elected
	since, ev := c.since()
	if waited := c.Since(since); waited < silence && (!gone || waited < absence) {
		return
	}
	f := c.finding(provisionerMissing, "%s waits for provisioner %s, which does not answer", c.name(), provisioner)
	f.CausedBy = []analyzers.Ref{classRef(c.class)}
	f.Shared = fmt.Sprintf("Provisioner %s of class %s does not answer, and claims get no volume", provisioner, c.class)
	f.Evidence = []analyzers.Evidence{{Source: c.source(), Path: "metadata.annotations[" + annProvisioner + "]", Quote: provisioner, At: since}}
	pod, why, broken := unwell(c.Pass, plugin.controllers)
	switch {
	case broken:
		root := c.Root(pod)
		f.Summary = analyzers.Line(fmt.Sprintf("%s waits for provisioner %s, whose %s is not ready: %s", c.name(), provisioner, root, why), analyzers.MaxSummary)
		f.CausedBy, f.Shared = []analyzers.Ref{root}, fmt.Sprintf("%s provides the volumes of %s and is not ready: %s", root, provisioner, why)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status", Quote: why})
	case gone:
		f.Summary = analyzers.Line(fmt.Sprintf("%s waits for provisioner %s, of which nothing is installed", c.name(), provisioner), analyzers.MaxSummary)
		f.Shared = fmt.Sprintf("Nothing is installed of provisioner %s, which class %s names", provisioner, c.class)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: classRef(c.class).String(), Path: "provisioner", Quote: "provisioner: " + provisioner + "; no CSIDriver has this name"})
	case elected && c.Since(l.Spec.RenewTime.Time) > leaseLife:
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(l).String(), Path: "spec.renewTime", Quote: "last renewed", At: l.Spec.RenewTime.Time})
	}
	if ev != nil {
		f.Evidence = append(f.Evidence, eventOn(c.pvc, ev))
	}
	f.Fixes = []analyzers.Fix{{Why: "Show which drivers are installed; install or start the one that the class names, and the claim goes on by itself", Argv: c.Kubectl("", "get", "csidrivers")}}
	switch {
	case broken:
		f.Fixes = []analyzers.Fix{{Why: "Show why the provisioner is not ready; the claim goes on by itself once it is", Argv: c.Kubectl(pod.Namespace, "describe", "pod", pod.Name)}}
	case gone:
		var names []string
		for d := range cluster.All[*storagev1.CSIDriver](c.Snapshot) {
			names = append(names, d.Name)
		}
		if near, ok := analyzers.Nearest(provisioner, names); ok {
			f.Fixes = append([]analyzers.Fix{{Why: "Create the class anew with provisioner " + near + ", which is installed and was probably meant", Argv: c.Kubectl("", "get", "storageclass", c.class, "-o", "yaml")}}, f.Fixes...)
		}
	}
	c.Report(f)
}
