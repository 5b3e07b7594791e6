package nodes

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ProxyBroken finds nodes on which kube-proxy does not do its work.
var ProxyBroken = &analyzers.Analyzer{
	Name: "nodes/proxy-broken",
	Doc: `nodes on which kube-proxy does not run, or cannot write its rules

On such a node the addresses of Services do not work, or lead to pods that are gone. A
cluster without its DaemonSet has another proxy, or runs kube-proxy outside pods.`,
	Needs: append(slices.Clone(nodeKinds), cluster.DaemonSets),
	Emits: []analyzers.Code{proxyBroken},
	Run: func(p *analyzers.Pass) error {
		for ds := range cluster.In[*appsv1.DaemonSet](p.Snapshot, "kube-system") {
			if ds.Name == "kube-proxy" || ds.Labels["k8s-app"] == "kube-proxy" {
				reportProxy(p, ds)
			}
		}
		return nil
	},
}

// A proxyFault is what keeps the kube-proxy of some nodes from its work.
type proxyFault struct {
	what     string
	nodes    []analyzers.Ref
	evidence []analyzers.Evidence
	pod      *corev1.Pod
}

func reportProxy(p *analyzers.Pass, ds *appsv1.DaemonSet) {
	ready := map[string]*node{}
	for _, n := range nodesOf(p.Snapshot) {
		if n.isReady() {
			ready[n.Name] = n
		}
	}
	faults := map[string]*proxyFault{}
	add := func(what string, n *node, pod *corev1.Pod, evidence ...analyzers.Evidence) {
		f := faults[what]
		if f == nil {
			f = &proxyFault{what: what, pod: pod, evidence: evidence}
			faults[what] = f
		}
		f.nodes = append(f.nodes, n.ref)
	}
	has := map[string]bool{}
	for _, pod := range p.PodsOf(ds) {
		has[pod.Spec.NodeName] = true
		n := ready[pod.Spec.NodeName]
		if n == nil || pod.DeletionTimestamp != nil {
			continue
		}
		if stage, why := p.Unready(pod); stage == cluster.Stuck {
			add(why, n, pod, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status", Quote: why})
			continue
		}
		if line, what := proxyError(p, pod); line != "" {
			add(what, n, pod, analyzers.Evidence{Source: fmt.Sprintf("Log of %s container %s", cluster.RefOf(pod), proxyContainer(pod)), Path: proxyContainer(pod), Quote: analyzers.QuoteHead(line)})
		}
	}
	// The scheduling area names the nodes that a DaemonSet is meant for: here only those count
	// on which its own controller misses a pod.
	if ds.Status.ObservedGeneration == ds.Generation && ds.Status.DesiredNumberScheduled > ds.Status.CurrentNumberScheduled && p.Sees(cluster.Pods, ds.Namespace) && p.Since(ds.CreationTimestamp.Time) > joining {
		for _, n := range nodesOf(p.Snapshot) {
			if ready[n.Name] != nil && !has[n.Name] && p.Since(n.CreationTimestamp.Time) > joining && selects(ds, n) {
				add("it has no pod there", n, nil, analyzers.Evidence{Source: cluster.RefOf(ds).String(), Path: "status.currentNumberScheduled", Quote: fmt.Sprintf("currentNumberScheduled: %d of %d desired", ds.Status.CurrentNumberScheduled, ds.Status.DesiredNumberScheduled)})
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(faults)) {
		p.Report(proxyFinding(p, ds, faults[what], len(ready)))
	}
}

// selects reports whether the node has the labels that the template asks for.
func selects(ds *appsv1.DaemonSet, n *node) bool {
	for k, v := range ds.Spec.Template.Spec.NodeSelector {
		if n.Labels[k] != v {
			return false
		}
	}
	return true
}

func proxyFinding(p *analyzers.Pass, ds *appsv1.DaemonSet, f *proxyFault, all int) analyzers.Finding {
	slices.SortFunc(f.nodes, analyzers.CompareRefs)
	where := "node " + f.nodes[0].Name
	switch n := len(f.nodes); {
	case n == all && n > 1:
		where = "all nodes"
	case n == 2:
		where = "nodes " + f.nodes[0].Name + " and " + f.nodes[1].Name
	case n > 2:
		where = fmt.Sprintf("%s and %d other nodes", f.nodes[0].Name, n-1)
	}
	out := analyzers.Finding{
		Code: proxyBroken, Subject: cluster.RefOf(ds), Part: f.what, Affected: f.nodes,
		Summary:  analyzers.Line(fmt.Sprintf("Addresses of Services do not work on %s, as kube-proxy does not do its work there: %s", where, f.what), analyzers.MaxSummary),
		Evidence: f.evidence,
		Fixes:    []analyzers.Fix{{Why: "Show the pods of kube-proxy, node by node", Argv: p.Kubectl(ds.Namespace, "get", "pods", "-o", "wide", "-l", labelsText(ds))}},
	}
	if f.pod != nil {
		out.Fixes = append([]analyzers.Fix{{Why: "Show what kube-proxy says", Argv: p.Kubectl(ds.Namespace, "logs", f.pod.Name, "--tail=50")}}, out.Fixes...)
	}
	return out
}

// proxyErrors are lines of kube-proxy that mean that its rules are not what they should be
// (k8s.io/kubernetes pkg/proxy/iptables/proxier.go, pkg/proxy/nftables/proxier.go,
// pkg/proxy/ipvs/proxier.go; k8s.io/client-go tools/cache/reflector.go).
var proxyErrors = []struct{ words, what string }{
	{"Failed to execute iptables-restore", "iptables-restore fails, so that its rules are stale"},
	{"nftables sync failed", "nftables refuses its rules, so that they are stale"},
	{"Failed to ensure chain", "its chains cannot be made"},
	{"Failed to create dummy interface", "its interface cannot be made"},
	{"failed to list *v1.Service", "the API server gives it no Services"},
	{"failed to list *v1.EndpointSlice", "the API server gives it no endpoints"},
}

const (
	// proxyRetry is how often kube-proxy tries again what has failed (pkg/proxy/apis/config,
	// SyncPeriod).
	proxyRetry = 2 * time.Minute
	// someErrors: one line may be about a rule that was in the way for a moment.
	someErrors = 3
)

// klogWords are the head of a line of klog: severity, month and day, time.
var klogWords = regexp.MustCompile(`^[EF](\d{4}) (\d\d:\d\d:\d\d)\.\d+`)

// proxyError is the newest error of kube-proxy that it still gets.
func proxyError(p *analyzers.Pass, pod *corev1.Pod) (line, what string) {
	l, ok := p.Log(pod, proxyContainer(pod), false)
	if !ok {
		return "", ""
	}
	lines := l.Lines()
	for _, e := range proxyErrors {
		n, last := 0, ""
		for _, text := range lines {
			if strings.Contains(text, e.words) {
				n, last = n+1, text
			}
		}
		if n >= someErrors && isRecent(p.Now(), last) {
			return last, e.what
		}
	}
	return "", ""
}

// isRecent reports whether klog wrote a line within the last tries. Its time has no year
// and is the node's, which is UTC nearly everywhere.
func isRecent(now time.Time, line string) bool {
	m := klogWords.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	at, err := time.Parse("2006 0102 15:04:05", fmt.Sprintf("%d %s %s", now.UTC().Year(), m[1], m[2]))
	age := now.Sub(at)
	return err == nil && age > -time.Minute && age < proxyRetry
}

func proxyContainer(pod *corev1.Pod) string {
	if len(pod.Spec.Containers) == 0 {
		return ""
	}
	return pod.Spec.Containers[0].Name
}
