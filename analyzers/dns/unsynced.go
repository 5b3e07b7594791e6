package dns

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// What the client of plugin kubernetes says when it may not list, or cannot reach the API
// server (k8s.io/client-go tools/cache/reflector.go; k8s.io/apiserver
// pkg/endpoints/handlers/responsewriters/errors.go).
var (
	forbidden   = regexp.MustCompile(`([a-z]+(?:\.[a-z0-9.-]+)?) is forbidden: User "system:serviceaccount:([^:"]+):([^"]+)" cannot (list|watch) resource "([^"]+)" in API group "([^"]*)"`)
	unreachable = regexp.MustCompile(`Failed to watch.*(?:Get "https://([^/"]+)/[^"]*"): (.+?)"?$`)
	waiting     = regexp.MustCompile(`plugin/ready: (?:Still waiting on|Plugins not ready): ".*kubernetes|plugin/kubernetes: (?:waiting for Kubernetes API|starting server with unsynced)`)
)

// recentLines are those that tell of the state now: the client tries again every minute.
const recentLines = 20

// reportUnsynced is about a server that runs, is not ready, and says that it could not
// read the API.
func reportUnsynced(p *analyzers.Pass, s server) {
	for _, status := range s.pod.Status.ContainerStatuses {
		log, ok := p.Log(s.pod, status.Name, false)
		if !ok || status.State.Running == nil {
			continue
		}
		lines := log.Lines()
		lines = lines[max(0, len(lines)-recentLines):]
		f := analyzers.Finding{Code: configError, Severity: s.severity(p), Subject: s.subject, Affected: []analyzers.Ref{cluster.RefOf(s.pod)}}
		for _, line := range slices.Backward(lines) {
			if m := forbidden.FindStringSubmatch(line); m != nil {
				f.Summary = analyzers.Line(fmt.Sprintf("%s is not ready: ServiceAccount %s may not %s %s", s.who(), m[3], m[4], m[5]), analyzers.MaxSummary)
				f.Evidence = []analyzers.Evidence{s.said(log, line)}
				f.Fixes = []analyzers.Fix{{Why: "Allow it again: ClusterRole system:coredns lists endpoints, services, pods, namespaces and endpointslices", Argv: p.Kubectl("", "edit", "clusterrole", "system:coredns")}}
				p.Report(f)
				return
			}
			if m := unreachable.FindStringSubmatch(line); m != nil {
				f.Summary = analyzers.Line(fmt.Sprintf("%s is not ready: it cannot read from the API server at %s (%s)", s.who(), m[1], lastPart(m[2])), analyzers.MaxSummary)
				f.Evidence = []analyzers.Evidence{s.said(log, line)}
				f.Fixes = []analyzers.Fix{{Why: "See whether the API server's Service leads to it, and whether pods of this node reach it", Argv: p.Kubectl("default", "get", "endpointslices", "-l", "kubernetes.io/service-name=kubernetes")}}
				p.Report(f)
				return
			}
		}
		if i := slices.IndexFunc(lines, waiting.MatchString); i >= 0 {
			f.Summary = s.who() + " is not ready: it has not read the cluster's Services from the API server yet"
			f.Evidence = []analyzers.Evidence{s.said(log, lines[i])}
			f.Fixes = []analyzers.Fix{{Why: "Show what CoreDNS says of the API server", Argv: p.Kubectl(s.pod.Namespace, "logs", s.pod.Name, "--tail=50")}}
			p.Report(f)
			return
		}
	}
}

// lastPart is what a chain of errors ends with.
func lastPart(text string) string {
	parts := regexp.MustCompile(`: `).Split(text, -1)
	return parts[len(parts)-1]
}
