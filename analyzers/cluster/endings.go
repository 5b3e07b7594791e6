package cluster

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// EndExplained reports whether what a container is started with explains its crashes: a
// postStart hook that fails, a command that a shell cannot run, the variable of a Service.
// A check that judges programs by their exit code and log leaves such a container alone.
func (s *Snapshot) EndExplained(pod *corev1.Pod, status corev1.ContainerStatus) bool {
	_, hook := s.KilledByHook(pod, status)
	_, shell := s.Unrunnable(pod, status)
	_, link := s.MisreadLink(pod, status)
	return hook || shell || link
}

// hookKill is how far the failure of a hook and the container's end may be apart: the
// container gets its grace period to stop.
const hookKill = 2 * time.Minute

// KilledByHook returns the event with which the kubelet said that it kills this container
// because its postStart hook failed. The event must be about the container's last end.
// (k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go: reason
// FailedPostStartHook, message "PostStartHook failed".)
func (s *Snapshot) KilledByHook(pod *corev1.Pod, status corev1.ContainerStatus) (*corev1.Event, bool) {
	end, _ := End(status)
	if end == nil {
		return nil, false
	}
	ev, ok := s.LastEvent(pod, func(ev *corev1.Event) bool {
		return strings.HasSuffix(ev.InvolvedObject.FieldPath, "{"+status.Name+"}")
	}, "FailedPostStartHook")
	if !ok || end.FinishedAt.Sub(EventTime(ev)).Abs() > hookKill {
		return nil, false
	}
	return ev, true
}

// An Unrunnable is a command that a shell, env or the program loader could not run.
type Unrunnable struct {
	Name    string
	Line    string // what the log says of it
	Denied  bool   // it is there and not executable
	Library bool   // Name is a shared library of it
}

// What a shell or env says of a command that it cannot run (bash, dash, busybox ash,
// coreutils env), and the exit code that goes with it (POSIX, Shell Command Language,
// 2.8.2): 127 for not found, 126 for found and not executable. The loaders of glibc and
// musl end with 127 too.
var (
	shellNotFound = regexp.MustCompile(`(?:^|[\s:])['"‘]?([^\s:'"‘’]+)['"’]?: (?:command not found|not found|cannot execute: required file not found)$|env: (?:can't execute )?['"‘]?([^\s:'"’]+)['"’]?: No such file or directory|exec: ([^\s:]+): not found|(?:^|[\s:])([^\s:]+): No such file or directory$`)
	shellDenied   = regexp.MustCompile(`(?:^|[\s:])['"‘]?([^\s:'"‘’]+)['"’]?: (?:Permission denied|cannot execute|Is a directory)`)
	noLibrary     = regexp.MustCompile(`(?:error while loading shared libraries: |Error loading shared library )([^\s:]+):`)
)

// lastWords are enough: a shell that cannot run its command ends with these lines.
const lastWords = 5

// Unrunnable tells of a container that ended because a command could not be run. Exit
// code and last lines must agree: programs use 126 and 127 for reasons of their own, and
// write of files that they do not find.
func (s *Snapshot) Unrunnable(pod *corev1.Pod, status corev1.ContainerStatus) (Unrunnable, bool) {
	end, _ := End(status)
	if end == nil || end.ExitCode != 126 && end.ExitCode != 127 {
		return Unrunnable{}, false
	}
	log, ok := s.LastLog(pod, status)
	if !ok {
		return Unrunnable{}, false
	}
	denied, pattern := end.ExitCode == 126, shellNotFound
	if denied {
		pattern = shellDenied
	}
	lines := log.Lines()
	for _, line := range slices.Backward(lines[max(0, len(lines)-lastWords):]) {
		if m := noLibrary.FindStringSubmatch(line); m != nil {
			return Unrunnable{Name: m[1], Line: line, Library: true}, true
		}
		if m := pattern.FindStringSubmatch(line); m != nil {
			return Unrunnable{Name: strings.Join(m[1:], ""), Line: line, Denied: denied}, true
		}
	}
	return Unrunnable{}, false
}

// A Link is a variable that the kubelet sets for a Service of the pod's namespace.
type Link struct {
	Service  *corev1.Service
	Variable string // CACHE_PORT
	Value    string // tcp://10.0.0.1:6379
	Line     string // the log line that chokes on it
}

var (
	// linkValue is what the kubelet gives as <SERVICE>_PORT (k8s.io/kubernetes
	// pkg/kubelet/envvars/envvars.go, makeLinkVariables).
	linkValue = regexp.MustCompile(`(?:tcp|udp|sctp)://(\[[0-9a-fA-F:]+\]|[0-9.]+):(\d+)`)
	// misread are the words of programs that expected something else, a number mostly.
	// Without them the address may be there because the program talks to the Service.
	misread = regexp.MustCompile(`(?i)too many colons|invalid (?:port|syntax|literal|value|integer|number|argument)|not a (?:number|valid)|numberformatexception|must be (?:a|an) (?:number|integer|int|port)|(?:cannot|could not|can't|unable to|failed to|error) (?:parse|parsing|convert|unmarshal)|parse ?(?:int|error)|strconv|is not an integer|out of range|expected .*(?:number|integer|port)`)
)

// linkLines are where a program says what it could not read.
const linkLines = 20

// MisreadLink tells of a container that ended because it took the variable of a Service
// for a setting of its own. A variable that the container sets itself wins over the
// Service's and is none.
func (s *Snapshot) MisreadLink(pod *corev1.Pod, status corev1.ContainerStatus) (Link, bool) {
	spec, _, ok := Container(&pod.Spec, status.Name)
	if !ok || pod.Spec.EnableServiceLinks != nil && !*pod.Spec.EnableServiceLinks {
		return Link{}, false
	}
	log, ok := s.LastLog(pod, status)
	if !ok {
		return Link{}, false
	}
	lines := log.Lines()
	for _, line := range slices.Backward(lines[max(0, len(lines)-linkLines):]) {
		m := linkValue.FindStringSubmatch(line)
		if m == nil || !misread.MatchString(line) {
			continue
		}
		svc := s.serviceAt(pod.Namespace, strings.Trim(m[1], "[]"), m[2])
		if svc == nil {
			continue
		}
		variable := strings.ToUpper(strings.ReplaceAll(svc.Name, "-", "_")) + "_PORT"
		if !slices.ContainsFunc(spec.Env, func(e corev1.EnvVar) bool { return e.Name == variable }) {
			return Link{svc, variable, m[0], line}, true
		}
	}
	return Link{}, false
}

// serviceAt is the Service of a namespace with this address. A headless one has none.
func (s *Snapshot) serviceAt(namespace, ip, port string) *corev1.Service {
	want := net.ParseIP(ip)
	for svc := range In[*corev1.Service](s, namespace) {
		have := net.ParseIP(svc.Spec.ClusterIP)
		if have == nil || !have.Equal(want) {
			continue
		}
		for _, p := range svc.Spec.Ports {
			if strconv.Itoa(int(p.Port)) == port {
				return svc
			}
		}
	}
	return nil
}
