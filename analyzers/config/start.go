package config

import (
	"fmt"
	"iter"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A start is one container that cannot be created or started now.
type start struct {
	pod    *corev1.Pod
	status corev1.ContainerStatus
	spec   *corev1.Container
	path   string // of the state that tells why
	reason string
	text   string // what the kubelet or the runtime said
}

// starts iterates the failing starts that are of one kind. The kinds are tried in this
// order, and each start has one, so that no two checks report the same container.
func starts(p *analyzers.Pass, kind startKind) iter.Seq[start] {
	return func(yield func(start) bool) {
		for pod := range subjects(p) {
			for _, status := range cluster.ContainerStatuses(pod) {
				if p.ContainerFault(pod, status) != cluster.StartFault {
					continue
				}
				if s, ok := newStart(pod, status); ok && s.kind() == kind && !yield(s) {
					return
				}
			}
		}
	}
}

func newStart(pod *corev1.Pod, status corev1.ContainerStatus) (start, bool) {
	spec, _, ok := cluster.Container(&pod.Spec, status.Name)
	if !ok {
		return start{}, false
	}
	s := start{pod: pod, status: status, spec: spec, path: statusPath(pod, status.Name)}
	end, now := cluster.End(status)
	switch w := status.State.Waiting; {
	case w != nil && w.Reason != "CrashLoopBackOff":
		s.path, s.reason, s.text = s.path+".state.waiting", w.Reason, w.Message
	case end != nil && now:
		s.path, s.reason, s.text = s.path+".state.terminated", end.Reason, end.Message
	case end != nil:
		s.path, s.reason, s.text = s.path+".lastState.terminated", end.Reason, end.Message
	}
	return s, true
}

type startKind int

const (
	otherStart   startKind = iota
	sourceStart            // a ConfigMap, Secret or key is missing: judged by the objects
	foreignStart           // other areas report it
	rootStart
	mountStart
	commandStart
	hookStart
)

var (
	// kubelet: pkg/kubelet/kubelet_pods.go, util/manager (k8s.io/kubernetes).
	sourceText = regexp.MustCompile(`^(?:configmap|secret) "[^"]+" not found|couldn't find key .+ in (?:ConfigMap|Secret) `)
	// A program for another CPU or without an interpreter, a limit too low for the
	// runtime itself, too large an environment: findings of the process, not of its
	// settings (runc libcontainer/process_linux.go).
	foreignText = regexp.MustCompile(`(?i)exec format error|OOM-killed|memory limit too low`)
	// k8s.io/kubernetes pkg/kubelet/kuberuntime/security_context_others.go.
	rootText = regexp.MustCompile(`runAsNonRoot|breaks non-root policy`)
	// k8s.io/kubernetes pkg/kubelet/kubelet_pods.go, makeMounts; runc libcontainer/rootfs_linux.go.
	mountText = regexp.MustCompile(`(?i)failed to (?:prepare subPath|create subPath directory) for volumeMount|error mounting .*: (?:not a directory|is a directory)|mount a directory onto a file|mount .*: not a directory`)
	// runc libcontainer (exec.LookPath and os.Stat); crun libcrun/utils.c.
	commandText = regexp.MustCompile("executable file not found in \\$PATH|exec: \"[^\"]*\": (?:stat|permission denied|no such file|is a directory)|executable file `[^`]*` not found|open executable: |exec [^:]*: (?:no such file or directory|permission denied)|stat [^:]*: no such file or directory: OCI runtime attempted")
)

func (s start) kind() startKind {
	switch {
	case s.reason == "PostStartHookError":
		return hookStart
	case sourceText.MatchString(s.text):
		return sourceStart
	case foreignText.MatchString(s.text):
		return foreignStart
	case rootText.MatchString(s.text):
		return rootStart
	case mountText.MatchString(s.text):
		return mountStart
	case commandText.MatchString(s.text):
		if _, ok := s.shadow(); ok {
			return mountStart
		}
		return commandStart
	}
	return otherStart
}

// report completes a finding about the start.
func (s start) report(p *analyzers.Pass, f analyzers.Finding) {
	f.Subject, f.Part = p.Root(s.pod), s.status.Name
	f.Affected = []analyzers.Ref{cluster.RefOf(s.pod)}
	p.Report(f)
}

// list is the field of the pod spec that holds the container.
func (s start) list() string {
	if _, init, _ := cluster.Container(&s.pod.Spec, s.status.Name); init {
		return "initContainers"
	}
	return "containers"
}

func (s start) specPath() string { return "spec." + s.list() + "[" + s.status.Name + "]" }

// patchable are the kinds whose pod template can be patched in place.
var patchable = map[string]bool{"Deployment": true, "StatefulSet": true, "DaemonSet": true}

// patch is the command that changes fields of the container in the template of its root.
func (s start) patch(p *analyzers.Pass, root analyzers.Ref, fields string) []string {
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{%q:[{"name":%q,%s}]}}}}`, s.list(), s.status.Name, fields)
	return p.Kubectl(root.Namespace, "patch", root.Short(), "--type", "strategic", "-p", patch)
}

// said is the decisive evidence: the kubelet's or runtime's words.
func (s start) said() analyzers.Evidence {
	// The kubelet's folder of the pod says nothing, and its length hides what does.
	text := strings.ReplaceAll(innermost(s.text), "/var/lib/kubelet/pods/"+string(s.pod.UID), "…")
	e := analyzers.Evidence{Source: cluster.RefOf(s.pod).String(), Path: s.path + ".message", Quote: analyzers.Quote(text)}
	if end, _ := cluster.End(s.status); end != nil {
		e.At = end.FinishedAt.Time
	}
	return e
}

// runtimeFrames is what containerd and runc put before the error itself.
var runtimeFrames = regexp.MustCompile(`^(?:failed to create containerd task: )?(?:failed to create shim task: )?(?:OCI runtime create failed: )?(?:runc create failed: )?(?:unable to start container process: )?(?:error during container init: )?`)

func innermost(text string) string { return text[len(runtimeFrames.FindString(text)):] }
