package scaling

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A scrape is a failure of metrics-server to read a kubelet's metrics, from its log.
type scrape struct {
	pod       *corev1.Pod
	container string
	node      string
	err       string
	line      string
	at        time.Time
}

// metrics-server's words (sigs.k8s.io/metrics-server pkg/scraper/scraper.go) behind klog's
// header: E1123 09:20:15.000000       1 scraper.go:149] "Failed to scrape node" err="..." node="a"
var (
	scrapeWords = regexp.MustCompile(`"Failed to scrape node(?:, timeout to access kubelet)?" err="((?:[^"\\]|\\.)*)" node="([^"]+)"`)
	klogHeader  = regexp.MustCompile(`[IWEF](\d{4} \d{2}:\d{2}:\d{2})\.\d+`)
)

const (
	// scrapesApart is how old the newest failure may be to be so still: metrics-server
	// reads each kubelet every 15 s, every minute in some distributions.
	scrapesApart = 2*time.Minute + 30*time.Second
	// fewScrapes that fail for one node may be a kubelet that was restarted.
	fewScrapes = 3
)

// scrapeFailures lists, by node, what metrics-server cannot read now. Nodes that are not
// ready are left out: they have a fault of their own.
func scrapeFailures(s *cluster.Snapshot) []scrape {
	return cluster.Derive(s, "scaling.scrapes", func() []scrape {
		b, ok := backendOf(s, apiOf(s, resourceGroup))
		if !ok {
			return nil
		}
		last, count := map[string]scrape{}, map[string]int{}
		for _, pod := range b.pods {
			for _, c := range pod.Spec.Containers {
				log, ok := s.Log(pod, c.Name, false)
				if !ok {
					continue
				}
				for _, line := range log.Lines() {
					f, ok := parseScrape(line, s.Now())
					if !ok || s.Since(f.at) > 10*time.Minute {
						continue
					}
					f.pod, f.container = pod, c.Name
					last[f.node] = f
					count[f.node]++
				}
			}
		}
		var out []scrape
		for node, f := range last {
			if count[node] >= fewScrapes && s.Since(f.at) < scrapesApart && nodeReady(s, node) {
				out = append(out, f)
			}
		}
		slices.SortFunc(out, func(a, b scrape) int { return strings.Compare(a.node, b.node) })
		return out
	})
}

func parseScrape(line string, now time.Time) (scrape, bool) {
	m := scrapeWords.FindStringSubmatch(line)
	at, ok := klogTime(line, now)
	if m == nil || !ok {
		return scrape{}, false
	}
	return scrape{node: m[2], err: strings.ReplaceAll(m[1], `\"`, `"`), line: line, at: at}, true
}

// klogTime reads the time from a line of a Kubernetes component's log, which has no year;
// a container without a time zone writes UTC.
func klogTime(line string, now time.Time) (time.Time, bool) {
	h := klogHeader.FindStringSubmatch(line)
	if h == nil {
		return time.Time{}, false
	}
	at, err := time.Parse("0102 15:04:05", h[1])
	if err != nil {
		return time.Time{}, false
	}
	at = time.Date(now.UTC().Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
	if at.After(now.Add(24 * time.Hour)) {
		at = at.AddDate(-1, 0, 0)
	}
	return at, true
}

func nodeReady(s *cluster.Snapshot, name string) bool {
	node, ok := cluster.Find[*corev1.Node](s, "", name)
	if !ok {
		return !s.Sees(cluster.Nodes, "") // metrics-server forgets a node that is gone
	}
	return cluster.NodeReady(node)
}

// why is the failure in a few words.
func (f scrape) why() string {
	switch {
	case strings.Contains(f.err, "doesn't contain any IP SANs"), strings.Contains(f.err, "certificate is valid for"):
		return "the kubelets' certificates do not name the addresses it uses"
	case strings.Contains(f.err, "certificate signed by unknown authority"):
		return "it does not trust the kubelets' certificates"
	case strings.Contains(f.err, "certificate has expired"):
		return "the kubelet's certificate has expired"
	case strings.Contains(f.err, "no such host"):
		return "the nodes' names do not resolve"
	case strings.Contains(f.err, "connection refused"):
		return "the kubelet's port refuses the connection"
	case strings.Contains(f.err, "deadline exceeded"), strings.Contains(f.err, "i/o timeout"), strings.Contains(f.err, "no route to host"):
		return "the kubelet's port does not answer"
	case strings.Contains(f.err, "401 Unauthorized"):
		return "the kubelets do not accept its token (401)"
	case strings.Contains(f.err, "403 Forbidden"):
		return "it has no permission to read nodes/metrics (403)"
	}
	return analyzers.Line(f.err, 80)
}

func (f scrape) proof() analyzers.Evidence {
	return analyzers.Evidence{Source: "Log of " + cluster.RefOf(f.pod).String() + " container " + f.container, Path: f.container, Quote: analyzers.Quote(f.line), At: f.at}
}

// fixes are the known ways out (sigs.k8s.io/metrics-server README, KNOWN_ISSUES.md).
func (f scrape) fixes(p *analyzers.Pass, workload analyzers.Ref) []analyzers.Fix {
	deployment := func(why, arg string) analyzers.Fix {
		i := slices.IndexFunc(f.pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == f.container })
		patch := fmt.Sprintf(`[{"op":"add","path":"/spec/template/spec/containers/%d/args/-","value":%q}]`, i, arg)
		return analyzers.Fix{Why: why, Argv: p.Kubectl(workload.Namespace, "patch", workload.Short(), "--type", "json", "-p", patch)}
	}
	switch {
	case strings.Contains(f.err, "x509"):
		return []analyzers.Fix{
			{Why: "Give the kubelets serving certificates of the cluster's CA: set serverTLSBootstrap: true in their configuration and approve their requests", Argv: p.Kubectl("", "get", "certificatesigningrequests")},
			deployment("In a test cluster, do not verify the kubelets' certificates", "--kubelet-insecure-tls"),
		}
	case strings.Contains(f.err, "no such host"):
		return []analyzers.Fix{deployment("Reach the kubelets by their addresses", "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname")}
	case strings.Contains(f.err, "403 Forbidden"):
		return []analyzers.Fix{{Why: "Show what metrics-server may do; it needs get on nodes/metrics", Argv: p.Kubectl("", "describe", "clusterrole", "system:metrics-server")}}
	case strings.Contains(f.err, "401 Unauthorized"):
		return []analyzers.Fix{{Why: "Let the kubelets check tokens: authentication.webhook.enabled: true in their configuration", Argv: p.Kubectl("", "get", "--raw", "/api/v1/nodes/"+f.node+"/proxy/configz")}}
	}
	return []analyzers.Fix{{Why: "Open the kubelet's port, mostly 10250, from metrics-server's pod to the node", Argv: p.Kubectl("", "get", "nodes", f.node, "-o", "jsonpath={.status.addresses} {.status.daemonEndpoints}")}}
}
