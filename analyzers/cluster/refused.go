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

// RefusedByAPI tells of a container that crashes or is not ready, and whose log says that
// the API server forbade what it asked for, unless RBAC allows that by now.
func (s *Snapshot) RefusedByAPI(pod *corev1.Pod, status corev1.ContainerStatus) (Refusal, bool) {
	s.noteRBAC()
	log, ok := s.refusalLog(pod, status)
	if !ok {
		return Refusal{}, false
	}
	line, ok := lastRefusal(log.Lines(), func(line string) bool { _, ok := ForbiddenIn(line); return ok })
	if !ok {
		return Refusal{}, false
	}
	request, _ := ForbiddenIn(line)
	allowed, known := s.Allowed(request)
	return Refusal{Request: request, Line: line, Previous: log.Previous, Known: known}, !allowed
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

// A Cloud is a provider whose identities pods take on.
type Cloud string

const (
	AWS   Cloud = "AWS"
	Azure Cloud = "Azure"
	GCP   Cloud = "Google Cloud"
)

// cloudRefusals are the words of the clouds' libraries for an identity that is not given,
// as distinct from one that may not do something:
// AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html,
// aws-sdk-go credentials/stscreds (WebIdentityErr) and the credential chains' last word;
// Azure: https://learn.microsoft.com/azure/active-directory/workload-identities/workload-identity-federation-considerations
// and azidentity's WorkloadIdentityCredential; Google: oauth2/google and the GKE metadata server.
var cloudRefusals = []struct {
	cloud Cloud
	words *regexp.Regexp
}{
	{AWS, regexp.MustCompile(`sts:AssumeRoleWithWebIdentity|AssumeRoleWithWebIdentity.*(?:AccessDenied|InvalidIdentityToken|ValidationError|403|400)|WebIdentityErr|No OpenIDConnect provider found|NoCredentialProviders: no valid providers in chain|Unable to locate credentials|get credentials: failed to refresh cached credentials|Unable to load (?:AWS )?credentials from any (?:of the )?provider`)},
	{Azure, regexp.MustCompile(`AADSTS(?:70021|700211|700212|700213|700016|700024|90002)\b|WorkloadIdentityCredential: (?:no|authentication)|no client ID specified\. Check pod configuration|no token file specified\. Check pod configuration`)},
	{GCP, regexp.MustCompile(`Unable to generate access token|iam\.serviceAccounts\.getAccessToken|google: could not find default credentials|metadata: GCE metadata "instance/service-accounts/[^"]*" not defined|unable to impersonate`)},
}

// A CloudRefusal is what a program says that its cloud did not give it.
type CloudRefusal struct {
	Cloud    Cloud
	Line     string
	Previous bool
}

// RefusedByCloud tells of a container that crashes or is not ready, and whose log says
// that it got no identity of its cloud.
func (s *Snapshot) RefusedByCloud(pod *corev1.Pod, status corev1.ContainerStatus) (CloudRefusal, bool) {
	log, ok := s.refusalLog(pod, status)
	if !ok {
		return CloudRefusal{}, false
	}
	line, ok := lastRefusal(log.Lines(), func(line string) bool { return cloudOf(line) != "" })
	if !ok {
		return CloudRefusal{}, false
	}
	return CloudRefusal{Cloud: cloudOf(line), Line: line, Previous: log.Previous}, true
}

func cloudOf(line string) Cloud {
	for _, c := range cloudRefusals {
		if c.words.MatchString(line) {
			return c.cloud
		}
	}
	return ""
}
