package storage

import (
	"fmt"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// AttachFailed reports volumes that the storage backend does not attach to a node, or
// does not take off one.
var AttachFailed = &analyzers.Analyzer{
	Name: "storage/attach-failed",
	Doc: `volumes that cannot be attached to a node or detached from one

What the attachment says now counts before what an event said. An attachment that nobody
has answered for two minutes belongs to an attacher that does not run.`,
	Needs: []schema.GroupKind{
		cluster.Pods, cluster.Events, cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.VolumeAttachments, cluster.CSIDrivers, cluster.DaemonSets,
	},
	Emits: []analyzers.Code{attachFailed},
	Run: func(p *analyzers.Pass) error {
		done := map[*corev1.Pod]bool{}
		for _, c := range of(p, attaching) {
			if attachmentHere(p, c.pv, c.pod) == nil || !attachmentHere(p, c.pv, c.pod).Status.Attached {
				done[c.pod] = true
				reportUnattached(p, c)
			}
		}
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if awaits(pod) && !done[pod] {
				eachUnanswered(p, pod, func(c complaint) { reportUnattached(p, c) })
			}
		}
		for va := range cluster.All[*storagev1.VolumeAttachment](p.Snapshot) {
			reportUndetached(p, va)
		}
		return nil
	},
}

func attachmentHere(p *analyzers.Pass, pv *corev1.PersistentVolume, pod *corev1.Pod) *storagev1.VolumeAttachment {
	if pv == nil {
		return nil
	}
	for _, va := range attachments(p)[pv.Name] {
		if va.Spec.NodeName == pod.Spec.NodeName {
			return va
		}
	}
	return nil
}

// eachUnanswered finds volumes of a waiting pod whose attachment nobody answers: the
// controller's event comes only after two minutes.
func eachUnanswered(p *analyzers.Pass, pod *corev1.Pod, yield func(complaint)) {
	for i := range pod.Spec.Volumes {
		c := complaint{pod: pod}
		c.find(p, pod.Spec.Volumes[i].Name)
		va := attachmentHere(p, c.pv, pod)
		if va == nil || va.Status.Attached || va.DeletionTimestamp != nil || va.Status.AttachError == nil && p.Since(va.CreationTimestamp.Time) < unanswered {
			continue
		}
		yield(c)
	}
}

// unanswered is how long an attachment may stay without a word of its attacher: the
// controller gives up a try after two minutes (k8s.io/kubernetes pkg/volume/csi/
// csi_plugin.go, csiTimeout).
const unanswered = 2 * time.Minute

// noAttacher is what the controller says when nobody answers (k8s.io/kubernetes
// pkg/volume/csi/csi_attacher.go, createAttachmentTracker).
var noAttacher = regexp.MustCompile(`timed out waiting for external-attacher of (\S+) CSI driver`)

func reportUnattached(p *analyzers.Pass, c complaint) {
	va := attachmentHere(p, c.pv, c.pod)
	text := c.text
	var evidence []analyzers.Evidence
	if va != nil {
		e := analyzers.Evidence{Source: cluster.RefOf(va).String(), Path: "status.attached", Quote: "attached: false, attacher: " + va.Spec.Attacher, At: va.CreationTimestamp.Time}
		if err := va.Status.AttachError; err != nil {
			text = clean(err.Message, c.pod)
			e = analyzers.Evidence{Source: cluster.RefOf(va).String(), Path: "status.attachError.message", Quote: analyzers.Quote(err.Message), At: err.Time.Time}
		}
		evidence = append(evidence, e)
	}
	if c.ev != nil {
		evidence = append(evidence, eventOn(c.pod, c.ev))
	}
	if waited(p, c.pod) < time.Minute && (c.ev == nil || cluster.EventCount(c.ev) < 2) {
		return // the first try may meet a disk that is just being made
	}
	describe := analyzers.Fix{Why: "Show what the attacher says of each attachment", Argv: p.Kubectl("", "get", "volumeattachments")}
	if va != nil {
		describe.Argv = p.Kubectl("", "describe", "volumeattachment", va.Name)
	}
	f := analyzers.Finding{Code: attachFailed, Subject: p.Root(c.pod), Part: volumeName(c), Affected: []analyzers.Ref{cluster.RefOf(c.pod)}, Evidence: evidence, Fixes: []analyzers.Fix{describe}}
	if c.volume != nil && c.volume.PersistentVolumeClaim != nil {
		f.Subject, f.Part = claimRef(c.pod.Namespace, c.volume.PersistentVolumeClaim.ClaimName), ""
	}
	driver := ""
	if m := noAttacher.FindStringSubmatch(text); m != nil {
		driver = m[1]
	} else if va != nil && va.Status.AttachError == nil && c.ev == nil {
		driver = va.Spec.Attacher
	}
	if driver != "" {
		unansweredBy(p, c, driver, &f)
	} else {
		f.Summary = analyzers.Line(fmt.Sprintf("%s cannot be attached to node %s: %s", c.name(), c.pod.Spec.NodeName, text), analyzers.MaxSummary)
		f.Fixes[0].Why = "Mend what the message names at the storage backend; it is tried again by itself, and the command shows the last error"
	}
	p.Report(f)
}

// unansweredBy fills a finding about an attacher that does not answer.
func unansweredBy(p *analyzers.Pass, c complaint, driver string, f *analyzers.Finding) {
	f.Summary = analyzers.Line(fmt.Sprintf("%s is not attached to node %s: the attacher of driver %s does not answer", c.name(), c.pod.Spec.NodeName, driver), analyzers.MaxSummary)
	f.CausedBy = []analyzers.Ref{driverRef(driver)}
	f.Shared = fmt.Sprintf("The attacher of CSI driver %s does not answer, and its volumes are not attached", driver)
	if pod, why, broken := unwell(p, pluginOf(p, driver).controllers); broken {
		root := p.Root(pod)
		f.CausedBy, f.Shared = []analyzers.Ref{root}, fmt.Sprintf("%s attaches the volumes of %s and is not ready: %s", root, driver, why)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status", Quote: why})
		f.Fixes = []analyzers.Fix{{Why: "Show why the driver's controller is not ready", Argv: p.Kubectl(pod.Namespace, "describe", "pod", pod.Name)}}
		return
	}
	d, installed := cluster.Find[*storagev1.CSIDriver](p.Snapshot, "", driver)
	switch {
	case !installed && p.Sees(cluster.CSIDrivers, ""):
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: driverRef(driver).String(), Path: "metadata.name", Quote: "no CSIDriver has this name"})
		f.Fixes = []analyzers.Fix{{Why: "Install the driver, or the CSIDriver object by which it says that its volumes need no attaching; the command shows those installed", Argv: p.Kubectl("", "get", "csidrivers")}}
	case installed && (d.Spec.AttachRequired == nil || *d.Spec.AttachRequired):
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: driverRef(driver).String(), Path: "spec.attachRequired", Quote: "attachRequired: true"})
	}
}

func driverRef(name string) analyzers.Ref {
	return analyzers.Ref{APIVersion: "storage.k8s.io/v1", Kind: "CSIDriver", Name: name}
}

// reportUndetached is about a volume that a node does not get rid of, whether or not
// somebody waits for it yet.
func reportUndetached(p *analyzers.Pass, va *storagev1.VolumeAttachment) {
	err := va.Status.DetachError
	if va.DeletionTimestamp == nil || err == nil || p.Since(va.DeletionTimestamp.Time) < unanswered {
		return
	}
	name := deref(va.Spec.Source.PersistentVolumeName)
	pv, ok := cluster.Find[*corev1.PersistentVolume](p.Snapshot, "", name)
	if !ok && name != "" && len(p.Info().Namespaces) == 0 && p.Sees(cluster.PersistentVolumes, "") {
		reportOrphan(p, va, name)
		return
	}
	if !ok || pv.Spec.ClaimRef == nil || !p.InScope(pv.Spec.ClaimRef.Namespace) {
		return
	}
	_, text := rpc(err.Message)
	ref := pv.Spec.ClaimRef
	p.Report(analyzers.Finding{
		Code: attachFailed, Severity: analyzers.Warning, Subject: claimRef(ref.Namespace, ref.Name), Part: "detach",
		Summary: analyzers.Line(fmt.Sprintf("Volume of claim %s cannot be detached from node %s: %s", ref.Name, va.Spec.NodeName, text), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(va).String(), Path: "status.detachError.message", Quote: analyzers.Quote(err.Message), At: err.Time.Time},
			{Source: cluster.RefOf(va).String(), Path: "metadata.deletionTimestamp", Quote: "being detached", At: va.DeletionTimestamp.Time},
		},
		Fixes: []analyzers.Fix{{Why: "Mend what the message names; detaching is tried again by itself, and the command shows the last error", Argv: p.Kubectl("", "describe", "volumeattachment", va.Name)}},
	})
}

// reportOrphan is about an attachment whose volume was deleted first: the attacher needs
// the volume to detach it (external-attacher pkg/controller/csi_handler.go, csiDetach), so
// it stays, and the disk with it on the node.
func reportOrphan(p *analyzers.Pass, va *storagev1.VolumeAttachment, volume string) {
	p.Report(analyzers.Finding{
		Code: attachFailed, Severity: analyzers.Warning, Subject: cluster.RefOf(va),
		Summary: analyzers.Line(fmt.Sprintf("Volume %s was deleted before it was detached, and its attachment to node %s cannot go", volume, va.Spec.NodeName), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(va).String(), Path: "status.detachError.message", Quote: analyzers.Quote(va.Status.DetachError.Message), At: va.Status.DetachError.Time.Time},
			{Source: cluster.RefOf(va).String(), Path: "metadata.deletionTimestamp", Quote: "being detached", At: va.DeletionTimestamp.Time},
		},
		Fixes: []analyzers.Fix{{
			Why:  "Detach the disk at the storage backend if it still is on the machine, then let the attachment go",
			Argv: p.Kubectl("", "patch", "volumeattachment", va.Name, "--type", "merge", "-p", `{"metadata":{"finalizers":null}}`),
		}},
	})
}
