package storage

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Mount reports volumes that a node cannot mount for any reason that no other check knows:
// what the driver says is the finding.
var Mount = &analyzers.Analyzer{
	Name: "storage/mount",
	Doc: `volumes that are damaged or that the node cannot mount

The complaint counts while the pod waits. A first failure within the first minute is left
alone: drivers that are just being started answer so.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.PersistentVolumeClaims, cluster.PersistentVolumes},
	Emits: []analyzers.Code{mountFailed, corrupt},
	Run: func(p *analyzers.Pass) error {
		for _, c := range complaints(p) {
			if early(p, c) || c.manner != damaged && c.manner != unmounted {
				continue
			}
			f := c.finding(p, mountFailed, "%s cannot be mounted: %s", c.name(), c.text)
			f.Fixes = []analyzers.Fix{{Why: "Mend what the message names; mounting is tried again by itself, and the command shows the last error", Argv: p.Kubectl(c.pod.Namespace, "events", "--for", "pod/"+c.pod.Name)}}
			if c.manner == damaged {
				f.Code = corrupt
				f.Summary = analyzers.Line(fmt.Sprintf("File system of %s cannot be mounted: %s", lower(c.name()), c.text), analyzers.MaxSummary)
				f.Fixes = []analyzers.Fix{
					{Why: "Scale the workload down, check the file system with fsck where the disk can be reached, or restore the volume from a snapshot", Argv: p.Kubectl(c.pod.Namespace, "events", "--for", "pod/"+c.pod.Name)},
				}
			}
			if c.pv != nil {
				f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(c.pv).String(), Path: "spec", Quote: sourceOf(c.pv)})
			}
			if strings.HasSuffix(c.text, "does not exist") && c.pv != nil && c.pv.Spec.Local != nil {
				f.Fixes[0] = analyzers.Fix{Why: fmt.Sprintf("Make the directory %s on node %s, or mount the disk there that the volume stands for", c.pv.Spec.Local.Path, c.pod.Spec.NodeName)}
			}
			p.Report(f)
		}
		return nil
	},
}

// early reports whether a complaint is one of the first within the first minute.
func early(p *analyzers.Pass, c complaint) bool {
	return waited(p, c.pod) < time.Minute && cluster.EventCount(c.ev) < 3
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func sourceOf(pv *corev1.PersistentVolume) string {
	switch {
	case pv.Spec.CSI != nil:
		return fmt.Sprintf("csi: driver %s, volumeHandle %s", pv.Spec.CSI.Driver, pv.Spec.CSI.VolumeHandle)
	case pv.Spec.Local != nil:
		return "local: path " + pv.Spec.Local.Path
	case pv.Spec.HostPath != nil:
		return "hostPath: path " + pv.Spec.HostPath.Path
	}
	return "capacity: " + size(pv.Spec.Capacity)
}

// Slow reports pods that wait long for volumes, and nobody says why.
var Slow = &analyzers.Analyzer{
	Name: "storage/slow",
	Doc: `volumes that take too long to mount

Changing the owner of every file of a large volume (fsGroup) is the reason that Kubernetes
names; otherwise only that it takes too long is known, and any other finding explains it.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.PersistentVolumeClaims, cluster.PersistentVolumes},
	Emits: []analyzers.Code{mountTimeout},
	Run: func(p *analyzers.Pass) error {
		for _, c := range of(p, slow) {
			if waited(p, c.pod) < 2*time.Minute {
				continue
			}
			if c.ev.Reason == "VolumePermissionChangeInProgress" {
				reportChown(p, c)
				continue
			}
			f := c.finding(p, mountTimeout, "%s is not mounted in time, and the node does not say why: %s", c.name(), c.text)
			f.Fixes = []analyzers.Fix{{Why: "Show what the node says of the pod's volumes", Argv: p.Kubectl(c.pod.Namespace, "events", "--for", "pod/"+c.pod.Name)}}
			p.Report(f)
		}
		return nil
	},
}

// reportChown is about k8s.io/kubernetes pkg/volume/volume_linux.go, monitorProgress.
func reportChown(p *analyzers.Pass, c complaint) {
	root := p.Root(c.pod)
	group := "fsGroup"
	if sc := c.pod.Spec.SecurityContext; sc != nil && sc.FSGroup != nil {
		group = fmt.Sprintf("fsGroup %d", *sc.FSGroup)
	}
	f := c.finding(p, mountTimeout, "The node gives all files of a volume to %s before the pod starts, and that takes long", group)
	f.Severity = analyzers.Warning
	if cluster.RollsOut(root) {
		patch, _ := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"securityContext": map[string]any{"fsGroupChangePolicy": corev1.FSGroupChangeOnRootMismatch}}}}})
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:   "Leave the files alone when the top directory has the right owner already",
			Argv:  p.Kubectl(root.Namespace, "patch", root.Short(), "--type", "strategic", "-p", string(patch)),
			Patch: &analyzers.Patch{Target: root, Data: patch},
		})
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Or wait: the pod starts when all files are done; the events tell how many are", Argv: p.Kubectl(c.pod.Namespace, "events", "--for", "pod/"+c.pod.Name)})
	p.Report(f)
}
