package probes

import (
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A mode is how a try of a probe failed.
type mode int

const (
	other    mode = iota
	status        // an answer with an HTTP status that is no success
	refused       // nothing listens on the port
	silent        // no answer in time
	scheme        // HTTPS asked of a server that speaks HTTP
	garbled       // HTTP asked of a server that speaks something else
	portName      // the named port is not declared
	unserved      // gRPC: NOT_SERVING
	noHealth      // gRPC: no health service
	noGRPC        // gRPC: no connection in time: nothing on the port speaks it
	slow          // exec: the command took too long
	missing       // exec: the command cannot be run
	exited        // exec: the command said no
)

// A failure is what the kubelet says about a failed try.
type failure struct {
	mode mode
	code int    // of status
	text string // what the kubelet says, without the probe's name
}

var (
	statusCode  = regexp.MustCompile(`HTTP probe failed with statuscode: (\d+)`)
	commandGone = regexp.MustCompile(`executable file not found|no such file or directory|: not found\s*$|: not found\n|command not found|exec format error|permission denied`)
)

// fails reads an Unhealthy event's message. The words are those of k8s.io/kubernetes
// pkg/kubelet/prober/prober.go ("%s probe failed: %s", "%s probe errored and resulted in
// %s state: %s"), pkg/probe/http/http.go, pkg/probe/grpc/grpc.go and pkg/probe/util.go,
// of k8s.io/cri-client pkg/remote_runtime.go ("command timed out: %q timed out after %s")
// and of Go's net and net/http.
func fails(message string, probe *corev1.Probe) failure {
	text := message
	if _, after, ok := strings.Cut(message, " probe failed: "); ok {
		text = after
	} else if _, after, ok := strings.Cut(message, " state: "); ok {
		text = after
	}
	f := failure{text: strings.TrimSpace(text)}
	switch {
	case probe != nil && probe.Exec != nil:
		f.mode = exited
		switch {
		case strings.Contains(text, "command timed out") || strings.Contains(text, "timed out after"):
			f.mode = slow
		case commandGone.MatchString(text) && (strings.Contains(text, "exec") || strings.Contains(text, "not found")):
			f.mode = missing
		}
	case statusCode.MatchString(text):
		f.mode = status
		f.code, _ = strconv.Atoi(statusCode.FindStringSubmatch(text)[1])
	case strings.Contains(text, "connection refused"):
		f.mode = refused
	case strings.HasPrefix(text, `port "`) && strings.HasSuffix(text, "not found"):
		f.mode = portName
	case strings.Contains(text, "server gave HTTP response to HTTPS client"), strings.Contains(text, "first record does not look like a TLS handshake"):
		f.mode = scheme
	case strings.Contains(text, "malformed HTTP"):
		f.mode = garbled
	case strings.Contains(text, "does not implement the grpc health protocol"):
		f.mode = noHealth
	case strings.Contains(text, "service unhealthy (responded with"):
		f.mode = unserved
	case probe != nil && probe.GRPC != nil && strings.HasPrefix(text, "timeout: failed to connect service"):
		f.mode = noGRPC
	case strings.Contains(text, "deadline exceeded"), strings.Contains(text, "Client.Timeout"), strings.Contains(text, "i/o timeout"), strings.Contains(text, "did not complete within"), strings.HasPrefix(text, "timeout: "):
		f.mode = silent
	}
	return f
}
