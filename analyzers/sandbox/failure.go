package sandbox

import (
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A failure is one pod that has no sandbox now, and what the kubelet last said of it.
type failure struct {
	pod *corev1.Pod
	ev  *corev1.Event
	// text is the error without its frame and the sandbox's id: the same for all pods.
	text string
	kind kind
}

// failureKinds are what each check of this package stands on.
var failureKinds = []schema.GroupKind{cluster.Pods, cluster.Events, cluster.Nodes}

const (
	// booting is how long the agents of a new node may take; until then all pods fail alike.
	booting = 3 * time.Minute
	// oneTry and tries: the kubelet tries again about every 12 s, and a first failure beside
	// an agent that is just being restarted is usual.
	oneTry = time.Minute
	tries  = 2
	// stillTrying is how long ago the last try may be; one that hangs takes 4 minutes
	// (k8s.io/kubernetes pkg/kubelet/apis/config/v1beta1/defaults.go, RuntimeRequestTimeout).
	stillTrying = 10 * time.Minute
)

// failuresOf returns the pods in scope that stand without a sandbox.
func failuresOf(s *cluster.Snapshot) []failure {
	return cluster.Derive(s, "sandbox.failures", func() []failure {
		var out []failure
		for pod := range cluster.Scoped[*corev1.Pod](s) {
			if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) || pod.Spec.NodeName == "" || hasSandbox(pod) {
				continue
			}
			// A node that is not ready has a finding of its own, and this follows from it.
			if n, ok := cluster.Find[*corev1.Node](s, "", pod.Spec.NodeName); ok && (!cluster.NodeReady(n) || s.Since(n.CreationTimestamp.Time) < booting) {
				continue
			}
			if ev, ok := lastFailure(s, pod); ok {
				text := plain(ev.Message)
				out = append(out, failure{pod, ev, text, classify(text)})
			}
		}
		return out
	})
}

// hasSandbox reports whether the kubelet came past the sandbox. Kubelets before 1.29 do
// not write the condition; then a container that was tried tells.
func hasSandbox(pod *corev1.Pod) bool {
	if c := cluster.PodCondition(pod, corev1.PodReadyToStartContainers); c != nil {
		return c.Status == corev1.ConditionTrue
	}
	return slices.ContainsFunc(cluster.ContainerStatuses(pod), func(c corev1.ContainerStatus) bool {
		w := c.State.Waiting
		return w == nil || w.Reason != "ContainerCreating" && w.Reason != "PodInitializing"
	})
}

// lastFailure is the newest event about the pod's start, when it says that there is no
// sandbox, again and again.
func lastFailure(s *cluster.Snapshot, pod *corev1.Pod) (*corev1.Event, bool) {
	var n int32
	for _, ev := range s.EventsFor(pod) {
		if ev.Reason == "FailedCreatePodSandBox" {
			n += cluster.EventCount(ev)
		}
	}
	ev, ok := s.LastEvent(pod, nil, "FailedCreatePodSandBox", "FailedMount", "FailedAttachVolume", "Pulling", "Pulled", "Started", "NetworkNotReady")
	if !ok || ev.Reason != "FailedCreatePodSandBox" || s.Since(cluster.EventTime(ev)) > stillTrying {
		return nil, false
	}
	at := pod.CreationTimestamp.Time
	if c := cluster.PodCondition(pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionTrue {
		at = c.LastTransitionTime.Time
	}
	// A handler that is not configured does not come by waiting.
	return ev, n >= tries || s.Since(at) > oneTry || classify(plain(ev.Message)) == byHandler
}

// frame is what stands before the error itself: the kubelet's words (k8s.io/kubernetes
// pkg/kubelet/kuberuntime/kuberuntime_manager.go), those of containerd (internal/cri/server/
// sandbox_run.go), of CRI-O (server/sandbox_run_linux.go) and of the former dockershim.
var frame = regexp.MustCompile(`^(?:\(combined from similar events\): |Failed to create pod sandbox: |Failed create pod sandbox: |rpc error: code = \w+ desc = ` +
	`|failed to setup network for sandbox "[^"]*": |failed to (?:create|set up) (?:pod network )?sandbox [^:]*: |error adding pod \S+ to CNI network "[^"]*": ` +
	`|networkPlugin cni failed to set up pod "[^"]*" network: |failed to start sandbox (?:container|"[^"]*"|container task)[^:]*: |failed to create containerd task: |failed to create shim task: ` +
	`|OCI runtime create failed: |runc create failed: |(?:container_linux|process_linux)\.go:\d+: [^:]*: )`)

var ids = regexp.MustCompile(`\b[0-9a-f]{64}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)

func plain(message string) string {
	for {
		at := frame.FindStringIndex(message)
		if at == nil || at[1] == 0 {
			break
		}
		message = message[at[1]:]
	}
	return ids.ReplaceAllString(strings.TrimSuffix(message, ": unknown"), "…")
}

// A kind is what fails. Each failure has one, so that two checks never report the same.
type kind int

const (
	other kind = iota // pods.Stuck quotes it
	byNetwork
	byAddress
	byCilium
	byCgroups
	byHandler
	byImage
	byResolvConf
)

// words are those of each kind, the most telling first.
var words = []struct {
	kind kind
	text *regexp.Regexp
}{
	// containerd internal/cri/config, "no runtime for %q is configured"; CRI-O pkg/config,
	// "failed to find runtime handler %s from runtime list".
	{byHandler, regexp.MustCompile(`no runtime for "[^"]*" is configured|failed to find runtime handler `)},
	// containerd internal/cri/server/podsandbox, "failed to get sandbox image %q".
	{byImage, regexp.MustCompile(`failed to get sandbox image "|failed pulling image ".*pause`)},
	// opencontainers/runc libcontainer/specconv/spec_linux.go, CreateCgroupConfig.
	{byCgroups, regexp.MustCompile(`expected cgroupsPath to be of format "?\\?"?slice:prefix:name|cgroups?path .* systemd cgroups|systemd cgroup flag passed, but systemd support`)},
	// k8s.io/kubernetes pkg/kubelet/network/dns/dns.go reads the node's file for each pod.
	{byResolvConf, regexp.MustCompile(`^open \S*resolv\.conf: no such file or directory|could not open \S*resolv\.conf`)},
	// containernetworking/plugins ipam/host-local; aws/amazon-vpc-cni-k8s cmd/routed-eni-cni-plugin;
	// projectcalico/calico cni-plugin; cilium pkg/ipam ("range is full", "No more IPs available").
	{byAddress, regexp.MustCompile(`no IP addresses available in range set|failed to assign an IP address to container|[Nn]o more IPs available|range is full|IPAM pool exhausted|[Nn]o available IP|[Nn]o free IP` +
		`|[Nn]o more free affine blocks|cannot allocate new block due to per host block limit|Assigned 0 out of \d+ requested IPv|InsufficientFreeAddressesInSubnet|No available addresses`)},
	// cilium plugins/cilium-cni, api/v1/client/endpoint.
	{byCilium, regexp.MustCompile(`plugin type="cilium-cni"|[Cc]ilium agent|Cilium (?:daemon|API client)|cilium\.sock|putEndpointId|PutEndpointID`)},
	{byNetwork, regexp.MustCompile(`plugin type="|failed to find plugin "|cni plugin not initialized|cni config uninitialized|no networks found in |/var/lib/calico/nodename|/run/flannel/subnet\.env|already has an IP address different from`)},
}

func classify(text string) kind {
	for _, w := range words {
		if w.text.MatchString(text) {
			return w.kind
		}
	}
	return other
}

// each reports the failures of one kind as what tell makes of them.
func each(p *analyzers.Pass, k kind, tell func(failure) analyzers.Finding) {
	for _, f := range failuresOf(p.Snapshot) {
		if f.kind != k {
			continue
		}
		found := tell(f)
		found.Affected = []analyzers.Ref{cluster.RefOf(f.pod)}
		found.Evidence = append([]analyzers.Evidence{{
			Source: "Event on " + cluster.RefOf(f.pod).String(), Path: f.ev.Reason, Quote: analyzers.Quote(f.text), At: cluster.EventTime(f.ev),
		}}, found.Evidence...)
		if found.Subject.IsZero() {
			found.Subject = nodeRef(f.pod.Spec.NodeName)
		}
		p.Report(found)
	}
}

func nodeRef(name string) analyzers.Ref {
	return analyzers.Ref{APIVersion: "v1", Kind: "Node", Name: name}
}

// onHost is a command for the machine itself, which kubectl does not reach.
func onHost(why, node string, command ...string) analyzers.Fix {
	return analyzers.Fix{Why: why, Argv: append([]string{"ssh", node, "sudo"}, command...)}
}
