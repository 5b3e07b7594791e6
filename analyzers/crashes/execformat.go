package crashes

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ExecFormat reports programs that the node's kernel cannot run: built for another CPU
// architecture, or a script whose first line names no interpreter. The error does not say
// which; an image that runs on a node of another architecture does.
var ExecFormat = &analyzers.Analyzer{
	Name:  "crashes/exec-format",
	Doc:   "programs built for another CPU architecture, and scripts without a #! line",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events, cluster.Nodes}, rbac...),
	Emits: []analyzers.Code{execFormat},
	Run: func(p *analyzers.Pass) error {
		report := func(c crash, r reason) {
			arch := architecture(p, c.pod.Spec.NodeName)
			summary := fmt.Sprintf("%s cannot run %s on %s: exec format error", c.name(), program(c, r), onNode(arch))
			f := c.finding(execFormat, summary, r.evidence(c)...)
			f.Fixes = []analyzers.Fix{{Why: fmt.Sprintf("Use an image built for linux/%s (docker buildx build --platform linux/%s)", known(arch), known(arch)), Argv: setImage(p, c)}}
			if other, ok := runsElsewhere(p, c, arch); ok {
				f.Evidence = append(f.Evidence, other.proof)
				f.Fixes = append(f.Fixes, analyzers.Fix{
					Why:  fmt.Sprintf("Keep the pods on %s nodes, where the image runs", other.arch),
					Argv: p.Kubectl(c.subject.Namespace, "patch", c.subject.Short(), "--type", "strategic", "-p", fmt.Sprintf(`{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/arch":%q}}}}}`, other.arch)),
				})
			} else {
				f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Begin the program with a line such as #!/bin/sh and rebuild the image, if it is a script"})
			}
			if back, ok := c.rollback(p); ok {
				f.Fixes = append([]analyzers.Fix{back}, f.Fixes[:min(2, len(f.Fixes))]...)
			}
			p.Report(f)
		}
		each(p, execFormat, failed, report)
		notStarted(p, report)
		return nil
	},
}

// notStarted finds the same where the runtime says it, not the program's log: crun does.
func notStarted(p *analyzers.Pass, report func(crash, reason)) {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
			continue
		}
		for _, status := range cluster.ContainerStatuses(pod) {
			if p.ContainerFault(pod, status) != cluster.StartFault {
				continue
			}
			c := newCrash(p.Snapshot, pod, status)
			message, path := c.end.Message, ".terminated.message"
			if w := status.State.Waiting; w != nil && w.Reason != "CrashLoopBackOff" {
				message, path = w.Message, ".state.waiting.message"
			}
			if strings.Contains(strings.ToLower(message), "exec format error") {
				report(c, reason{Decision: Decision{Line: message, Kind: KindExecFormat, Detail: message}, source: cluster.RefOf(pod).String(), path: c.path() + path})
			}
		}
	}
}

var execProgram = regexp.MustCompile("exec:? (?:user process caused: )?[\"'`]?(/[^\\s:\"'`]+)")

// program is the path that could not be run.
func program(c crash, r reason) string {
	if m := execProgram.FindStringSubmatch(r.Line); m != nil {
		return m[1]
	}
	if len(c.container.Command) > 0 {
		return c.container.Command[0]
	}
	return "the program of image " + c.container.Image
}

func architecture(p *analyzers.Pass, name string) string {
	node, ok := cluster.Find[*corev1.Node](p.Snapshot, "", name)
	if !ok {
		return ""
	}
	if a := node.Status.NodeInfo.Architecture; a != "" {
		return a
	}
	return node.Labels[corev1.LabelArchStable]
}

func onNode(arch string) string {
	switch {
	case arch == "":
		return "its node"
	case strings.HasPrefix(arch, "a"):
		return "an " + arch + " node"
	}
	return "a " + arch + " node"
}

func known(arch string) string {
	if arch == "" {
		return "<architecture>"
	}
	return arch
}

func setImage(p *analyzers.Pass, c crash) []string {
	if !cluster.RollsOut(c.subject) {
		return nil
	}
	return p.Kubectl(c.subject.Namespace, "set", "image", c.subject.Short(), c.status.Name+"=<image>")
}

type elsewhere struct {
	arch  string
	proof analyzers.Evidence
}

// runsElsewhere finds the same image running on a node of another architecture.
func runsElsewhere(p *analyzers.Pass, c crash, arch string) (elsewhere, bool) {
	if arch == "" || !cluster.RollsOut(c.subject) {
		return elsewhere{}, false
	}
	for pod := range cluster.In[*corev1.Pod](p.Snapshot, c.pod.Namespace) {
		other := architecture(p, pod.Spec.NodeName)
		if other == "" || other == arch {
			continue
		}
		for _, status := range pod.Status.ContainerStatuses {
			spec, _, ok := cluster.Container(&pod.Spec, status.Name)
			if ok && spec.Image == c.container.Image && status.Ready {
				return elsewhere{other, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status.containerStatuses[" + status.Name + "].ready", Quote: "ready: true, on node " + pod.Spec.NodeName + " (" + other + ")"}}, true
			}
		}
	}
	return elsewhere{}, false
}
