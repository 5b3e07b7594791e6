package images

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// report completes a finding about the pull.
func (f *pull) report(p *analyzers.Pass, finding analyzers.Finding) {
	finding.Code, finding.Part = f.code, f.container
	finding.Subject = p.Root(f.pod)
	finding.Affected = []analyzers.Ref{cluster.RefOf(f.pod)}
	p.Report(finding)
}

// A previous is an image that the same container has or had.
type previous struct {
	image    string
	template bool // the workload's template names it already; this pod is older
	ready    bool // pods with it are ready now
	undo     bool // the revision before the present one has it
}

// lastGood is the image that the container had before: of the newest revision with
// another image, best one with ready pods, or of a ready pod beside it.
func (f *pull) lastGood(p *analyzers.Pass) (previous, bool) {
	root := p.RootObject(f.pod)
	if root == nil {
		return previous{}, false
	}
	if t, ok := cluster.Template(root); ok {
		if image, ok := f.other(&t.Spec); ok {
			return previous{image: image, template: true}, true
		}
	}
	var found previous
	for i, r := range p.Revisions(root) {
		image, ok := f.other(&r.Template.Spec)
		if !ok || found.image != "" && r.Ready == 0 {
			continue
		}
		found = previous{image: image, ready: r.Ready > 0, undo: i == 1}
		if found.ready {
			return found, true
		}
	}
	for _, pod := range p.PodsOf(root) {
		if image, ok := f.other(&pod.Spec); ok && cluster.PodReady(pod) {
			return previous{image: image, ready: true, undo: found.undo && found.image == image}, true
		}
	}
	return found, found.image != ""
}

// other is the container's image in another pod spec, if it differs.
func (f *pull) other(spec *corev1.PodSpec) (string, bool) {
	c, _, ok := cluster.Container(spec, f.container)
	own, _, have := cluster.Container(&f.pod.Spec, f.container)
	if !ok || !have || own.Image != f.image || c.Image == "" || c.Image == f.image {
		return "", false
	}
	return c.Image, true
}

// rollback are the fixes that lead back to an image that worked. known is an image that
// another fix proposes already.
func (f *pull) rollback(p *analyzers.Pass, known string) []analyzers.Fix {
	last, ok := f.lastGood(p)
	if !ok {
		return nil
	}
	root := p.Root(f.pod)
	if last.template {
		return []analyzers.Fix{{
			Why:  "Delete the pod: it is created again from the template, which names " + short(last.image) + " already",
			Argv: p.Kubectl(f.pod.Namespace, "delete", "pod", f.pod.Name),
		}}
	}
	var out []analyzers.Fix
	if last.image != known {
		why := "Go back to the image of the previous revision"
		if last.ready {
			why = "Go back to the image that the ready pods have"
		}
		out = append(out, f.setImage(p, last.image, why))
	}
	if last.undo {
		out = append(out, analyzers.Fix{Why: "Roll back to the previous revision", Argv: p.Kubectl(root.Namespace, "rollout", "undo", root.Short())})
	}
	return out
}

// settable are the kinds whose image kubectl can set (k8s.io/kubectl
// pkg/polymorphichelpers/updatepodspecforobject.go). A Job's template cannot be changed,
// but the image of its pod can.
var settable = map[string]bool{"Deployment": true, "StatefulSet": true, "DaemonSet": true, "CronJob": true, "ReplicaSet": true, "ReplicationController": true, "Pod": true}

func (f *pull) setImage(p *analyzers.Pass, image, why string) analyzers.Fix {
	target := p.Root(f.pod)
	if target.Kind == "Job" {
		target = cluster.RefOf(f.pod)
		why += "; change the Job's manifest too, as its template stays as it is"
	}
	if !settable[target.Kind] || strings.HasPrefix(f.path, "spec.volumes") {
		return analyzers.Fix{Why: why + ": " + short(image), Argv: p.Kubectl(target.Namespace, "edit", target.Short())}
	}
	return analyzers.Fix{Why: why, Argv: p.Kubectl(target.Namespace, "set", "image", target.Short(), f.container+"="+image)}
}

// nodeShell is a command on the pod's node, whose files are below /host.
func (f *pull) nodeShell(p *analyzers.Pass, args ...string) []string {
	return p.Kubectl("", append([]string{"debug", "node/" + f.pod.Spec.NodeName, "-it", "--image=busybox", "--"}, args...)...)
}

// registryRef stands for a registry, which is no object of the cluster.
func registryRef(host string) analyzers.Ref { return analyzers.Ref{Kind: "Registry", Name: host} }

const maxSummary = 160

// sentence joins the parts as long as they fit into a summary; the first always does.
func sentence(first string, more ...string) string {
	for _, m := range more {
		if m != "" && len([]rune(first+m)) <= maxSummary {
			first += m
		}
	}
	return first
}

func sayf(format string, args ...any) string { return fmt.Sprintf(format, args...) }
