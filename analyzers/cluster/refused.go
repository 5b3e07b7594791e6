package cluster

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A Refusal is what a program says that an API did not let it do.
type Refusal struct {
	Request
	Line     string
	Previous bool // of the log: that of the run before
	// Known says that RBAC was read and denies the request now too; without it, only the
	// program's word is there.
	Known bool
	// Unauthorized says that the API server did not take the program's token, or that it
	// has none: then nothing is known of a request.
	Unauthorized bool
}

// TokenPath is where a program finds the token of its ServiceAccount
// (k8s.io/client-go rest/config.go, InClusterConfig).
const TokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// unauthorized are the words for a token that is not accepted: of kubectl and of clients
// that print the API server's status (k8s.io/apimachinery pkg/api/errors, NewUnauthorized
// and NewGenericServerResponse); then for none at all.
var (
	unauthorized = regexp.MustCompile(`the server has asked for the client to provide credentials|You must be logged in to the server|(?:failed to (?:list|watch) \*|error retrieving resource lock |kubernetes|kube-?api).*: Unauthorized\b`)
	noToken      = regexp.MustCompile(TokenPath + `/token['"]?: (?:no such file|No such file)`)
)

// HasToken reports whether the token of the ServiceAccount is mounted into a container.
func HasToken(pod *corev1.Pod, container string) bool {
	c, _, ok := Container(&pod.Spec, container)
	return !ok || slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == TokenPath })
}

// forbidden is the API server's answer (k8s.io/apiserver
// pkg/endpoints/handlers/responsewriters/errors.go, forbiddenMessage, behind the prefix of
// k8s.io/apimachinery pkg/api/errors, NewForbidden), as it stands in logs of all kinds:
// in JSON its quotes have a backslash, or several.
var forbidden = regexp.MustCompile(`(?:[a-z0-9.-]+(?: \\*"([^"\\ ]*)\\*")? is forbidden: )?User \\*"([^"\\]+)\\*" cannot ([a-z]+) (?:resource \\*"([^"\\/]*)(?:/([^"\\]*))?\\*" in API group \\*"([^"\\]*)\\*" (?:in the namespace \\*"([^"\\]*)\\*"|at the cluster scope)|path \\*"([^"\\]*)\\*")`)

// ForbiddenIn finds in a line the request that the API server forbade.
func ForbiddenIn(line string) (Request, bool) {
	if !strings.Contains(line, " cannot ") {
		return Request{}, false
	}
	m := forbidden.FindStringSubmatch(line)
	if m == nil {
		return Request{}, false
	}
	return Request{Name: m[1], User: m[2], Verb: m[3], Resource: m[4], Subresource: m[5], Group: m[6], Namespace: m[7], Path: m[8]}, true
}

var (
	// otherEnd begins what ends a program for another reason.
	otherEnd = regexp.MustCompile(`(?i)^panic:|\bfatal\b|level=fatal|uncaught|unhandled|^traceback|address already in use|\boom\b|out of memory`)
	// sameEnd are words of what follows from a refusal: a cache that does not fill, an
	// election that is not won.
	sameEnd = regexp.MustCompile(`(?i)forbidden|unauthorized|\b40[13]\b|cannot |cache|sync|watch|leader|lease|lock|permission|denied|rbac|informer|manager|credential|token|forbid`)
)

// lastRefusal is the newest line that match accepts, unless a later line tells of another
// end.
func lastRefusal(lines []string, match func(string) bool) (string, bool) {
	for _, line := range slices.Backward(lines) {
		if match(line) {
			return line, true
		}
		if otherEnd.MatchString(line) && !sameEnd.MatchString(line) {
			return "", false
		}
	}
	return "", false
}

// endedItself reports whether a container that crashes ended by its own decision. What the
// kernel or the kubelet did to it comes before what it says in its log.
func endedItself(status corev1.ContainerStatus) bool {
	end, _ := End(status)
	return end != nil && end.Reason != "OOMKilled" && end.ExitCode != 0 && end.ExitCode < 128
}

// RefusedByAPI tells of a container whose log says that the API server forbade what it asked
// for, unless RBAC allows that by now, or that crashes because it is not let in at all.
func (s *Snapshot) RefusedByAPI(pod *corev1.Pod, status corev1.ContainerStatus) (Refusal, bool) {
	s.noteRBAC()
	log, ok := s.refusalLog(pod, status)
	if !ok {
		return Refusal{}, false
	}
	line, ok := lastRefusal(log.Lines(), func(line string) bool { _, ok := ForbiddenIn(line); return ok })
	if !ok {
		line, ok = lastRefusal(log.Lines(), func(line string) bool {
			return unauthorized.MatchString(line) || noToken.MatchString(line) && !HasToken(pod, status.Name)
		})
		return Refusal{Line: line, Previous: log.Previous, Unauthorized: true}, ok && s.Crashing(pod, status)
	}
	request, _ := ForbiddenIn(line)
	allowed, known := s.Allowed(request)
	return Refusal{Request: request, Line: line, Previous: log.Previous, Known: known && s.ours(request, pod)}, !allowed
}

// ours reports whether the account that was refused is one of this cluster. A program may
// ask the API server of another, whose roles are not here.
func (s *Snapshot) ours(r Request, pod *corev1.Pod) bool {
	namespace, name, ok := r.Account()
	if !ok || namespace == pod.Namespace && name == pod.Spec.ServiceAccountName {
		return true
	}
	if _, ok := Find[*corev1.ServiceAccount](s, namespace, name); ok {
		return true
	}
	return namespace == pod.Namespace && pod.Spec.ServiceAccountName == "" && name == "default"
}

func (s *Snapshot) refusalLog(pod *corev1.Pod, status corev1.ContainerStatus) (Log, bool) {
	if s.Crashing(pod, status) {
		if !endedItself(status) {
			return Log{}, false
		}
		return s.LastLog(pod, status)
	}
	return s.Log(pod, status.Name, false)
}
