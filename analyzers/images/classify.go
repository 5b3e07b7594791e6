package images

import (
	"regexp"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
)

// rules are tried in this order, on the runtime's error in lower case. The order follows
// from what contains what:
//
//   - 429 answers speak of "unauthenticated" pulls, and a token server may give them, so
//     the rate limit comes before the login;
//   - a refused certificate and an unknown host are wrapped in "failed to authorize" when
//     the token server is concerned, so TLS and network come before the login; TLS before
//     network, because both are a "failed to do request";
//   - a missing platform ends in "not found", so it comes before that;
//   - with several logins the errors stand side by side (k8s.io/kubernetes
//     pkg/kubelet/kuberuntime/kuberuntime_image.go, PullImage), and one login that may
//     look and finds nothing outweighs the ones that may not: not found before the login;
//     but "repository does not exist or may require authorization" is the login's.
var rules = []struct {
	code analyzers.Code
	any  *regexp.Regexp
}{
	// "toomanyrequests" is the registry's error code, "pull QPS exceeded" the kubelet's own
	// limit (k8s.io/kubernetes pkg/kubelet/images/helpers.go).
	{rateLimited, regexp.MustCompile(`429 too many requests|toomanyrequests|too many requests|pull rate limit|pull qps exceeded|rate exceeded`)},
	// Go crypto/x509, crypto/tls and net/http. A TLS handshake that times out is the network's.
	{untrusted, regexp.MustCompile(`x509: |server gave http response to https client|client sent an http request to an https server|tls: (?:failed to verify|first record does not look like|bad certificate|handshake failure|unknown certificate|protocol version|internal error|unrecognized name)|remote error: tls:`)},
	// containerd core/images/image.go; Docker; github.com/containers/image manifest lists;
	// an image for Windows on Linux.
	{noPlatform, regexp.MustCompile(`no match for platform in manifest|no matching manifest for |no image found in (?:manifest list|image index) for architecture|cannot be used on this platform|does not match the specified platform`)},
	// Go net, net/http and os errors; the gateway of a registry
	// that is down (500 is the registry's own trouble); CRI-O's own word.
	{unreachable, regexp.MustCompile(`no such host|server misbehaving|temporary failure in name resolution|i/o timeout|connection refused|connection reset by peer|network is unreachable|no route to host|tls handshake timeout|proxyconnect|connection timed out|client\.timeout exceeded|while waiting for connection|awaiting response headers|unexpected eof|": eof|50[234] (?:bad gateway|service unavailable|gateway time-?out)|registry is unavailable|broken pipe|proxy authentication required|(?:head|get|post) "[^"]*": context deadline exceeded`)},
	// The runtime gave the transfer up: no other error says why (containerd
	// internal/cri/server/images/image_pull.go cancels a pull without progress).
	{slow, regexp.MustCompile(`context (?:canceled|deadline exceeded)$|code = (?:canceled|deadlineexceeded)`)},
	// containerd core/remotes/docker/resolver.go ("%s: not found"), the registry's error
	// codes (github.com/distribution/distribution registry/api/v2), Docker.
	{notFound, regexp.MustCompile(`manifest unknown|manifest_unknown|name unknown|name_unknown|repository name not known to registry|manifest for .* not found|repository .* not found|: not found`)},
	{unauthorized, regexp.MustCompile(`401 unauthorized|403 forbidden|: forbidden|pull access denied|insufficient_scope|no basic auth credentials|authentication required|unauthorized: |(?:^|:\s*)denied: |authorization failed|failed to authorize|failed to fetch (?:anonymous|oauth) token|authorization token has expired|incorrect username or password|invalid username/password|access to the requested resource is not authorized|access forbidden|permission.* denied on resource|invalid status code from registry 40[13]`)},
	{notFound, regexp.MustCompile(`not found|404|does not exist`)},
}

// classify decides on the code of a pull: first by the kubelet's reason, then by rules.
func classify(p *analyzers.Pass, f *pull) analyzers.Code {
	switch f.reason {
	case "InvalidImageName":
		return invalidName
	case "ErrImageNeverPull":
		return notLoaded
	}
	text := strings.ToLower(f.text)
	for _, r := range rules {
		if r.any.MatchString(text) {
			return refine(p, f, r.code)
		}
	}
	if f.reason == "RegistryUnavailable" {
		return unreachable
	}
	return failed
}

// refine tells apart what a registry's answer leaves open.
func refine(p *analyzers.Pass, f *pull, code analyzers.Code) analyzers.Code {
	r := parse(f.image)
	// Docker Hub answers alike for a repository that is private and for one that does not
	// exist. Its official images are all public: for them it is the latter. On a cluster
	// on somebody's own machine, a name of one word is mostly an image that was built
	// there, unless it looks like a slip.
	if code != unauthorized || !r.official() || !strings.Contains(f.text, "pull access denied") || slices.Contains(officialNames, r.name()) {
		return code
	}
	if _, typo := analyzers.Nearest(r.name(), officialNames); !typo && loadCommand(p, f) != nil {
		return notLoaded
	}
	return notFound
}
