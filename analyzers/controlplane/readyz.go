package controlplane

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Readyz finds what the API server itself calls not ready.
var Readyz = &analyzers.Analyzer{
	Name: "controlplane/readyz",
	Doc: `what the API server calls not ready: etcd, key management, its own start

Where the endpoint may not be asked nothing is concluded.`,
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{etcdUnhealthy, apiServerNotReady},
	Run:   runReadyz,
}

// failedCheck is a line of k8s.io/apiserver pkg/server/healthz/healthz.go: "[-]etcd
// failed: reason withheld".
var failedCheck = regexp.MustCompile(`(?m)^\[-\](\S+) failed`)

func runReadyz(p *analyzers.Pass) error {
	health, ok := p.Health(cluster.Readyz)
	if !ok {
		return nil
	}
	var etcd, starting, other []string
	for _, m := range failedCheck.FindAllStringSubmatch(health.Text, -1) {
		switch name := m[1]; {
		case name == "shutdown":
			// This one is being stopped in good order, and another one takes over.
			return nil
		case strings.HasPrefix(name, "etcd"):
			etcd = append(etcd, name)
		// What begins with the process, and informers that wait for their first list.
		case strings.HasPrefix(name, "poststarthook/"), name == "informer-sync", name == "autoregister-completion":
			starting = append(starting, name)
		default:
			other = append(other, name)
		}
	}
	source := analyzers.Evidence{Source: "API server " + cluster.Readyz, At: p.Now()}
	report := func(code analyzers.Code, severity analyzers.Severity, subject analyzers.Ref, names []string, summary string) {
		e := source
		e.Quote = "[-]" + strings.Join(names, " failed, [-]") + " failed"
		f := analyzers.Finding{
			Code: code, Severity: severity, Subject: subject, Summary: analyzers.Line(summary, analyzers.MaxSummary), Evidence: []analyzers.Evidence{e},
			Fixes: []analyzers.Fix{
				{Why: "Ask it again", Argv: p.Kubectl("", "get", "--raw", cluster.Readyz)},
				{Why: "Read why, where the control plane runs as pods", Argv: p.Kubectl(system, "logs", "-l", "component=kube-apiserver", "--tail=50", "--prefix")},
			},
		}
		for _, pod := range p.PodsWith(system, map[string]string{"component": "etcd"}) {
			if code == etcdUnhealthy && !cluster.PodReady(pod) && cluster.RefOf(pod) != subject {
				f.CausedBy = append(f.CausedBy, cluster.RefOf(pod))
			}
		}
		p.Report(f)
	}
	switch {
	case len(etcd) > 0: // all else follows from it
		report(etcdUnhealthy, "", etcdRef(p.Snapshot), etcd, "The API server cannot reach etcd: its check of it fails")
	case len(other) > 0:
		report(apiServerNotReady, "", apiServer, other, fmt.Sprintf("The API server is not ready: its check %s fails", strings.Join(other, ", ")))
	case len(starting) > 0 && !startsNow(p):
		report(apiServerNotReady, analyzers.Warning, apiServer, starting, fmt.Sprintf("The API server has not finished its start: %s", strings.Join(starting, ", ")))
	}
	return nil
}

// startsNow reports whether an API server's pod is young: its checks pass one by one.
func startsNow(p *analyzers.Pass) bool {
	for _, pod := range p.PodsWith(system, map[string]string{"component": "kube-apiserver"}) {
		for _, c := range pod.Status.ContainerStatuses {
			if c.State.Running == nil || p.Since(c.State.Running.StartedAt.Time) < takenUpUnseen {
				return true
			}
		}
	}
	return false
}

// etcdPod is a member of etcd that can be asked, or a placeholder.
func etcdPod(s *cluster.Snapshot) string {
	var first *corev1.Pod
	for _, pod := range s.PodsWith(system, map[string]string{"component": "etcd"}) {
		if first == nil || cluster.PodReady(pod) && !cluster.PodReady(first) {
			first = pod
		}
	}
	if first == nil {
		return "<etcd-pod>"
	}
	return first.Name
}
