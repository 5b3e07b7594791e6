package all

// An Omission is a failure mode that no check decides, and why.
type Omission struct {
	Code string
	Why  string
}

// Undecided are the failure modes of the groups covered so far that objects, events and
// logs do not show. Each has its page all the same, in which the sign stands that a
// person can look for.
var Undecided = []Omission{
	{"apiserver-unreachable", "it stands before any snapshot: the error of the command that cannot read the cluster names the page"},
	{"kubeconfig-missing-context", "it stands before any snapshot: the error of the command names the page"},
	{"x509-unknown-authority-api", "it stands before any snapshot: the error of the command names the page"},
	{"conflict-object-modified", "a refused update is a normal retry; that two writers fight over a field is seen over time, not in one snapshot"},
	{"immutable-field-selector", "the API server refuses the change and tells only who made it; no object or event keeps it"},
	{"cri-not-available", "the kubelet ends before it reaches the API server: only its journal on the machine tells"},
	{"pod-network-cross-node-broken", "which pods reach which is in no object; only a probe from one node to another shows it"},
	{"dns-intermittent-5s-timeout", "a late lookup leaves no trace in objects or events, and a program that is well is not asked for its log"},
	{"cilium-policy-denied", "the verdict needs Cilium's identities and Hubble's flows, which are not in the API; its policies are named as not evaluated"},
	{"cpu-throttling", "only the container's CPU metrics show it (container_cpu_cfs_throttled_periods_total); a pod's status and events do not"},
	{"svc-nodeport-unreachable", "a firewall, security group or router between the client and the node is in no object of the cluster"},
	{"svc-session-or-lb-imbalance", "how requests spread over pods is in traffic metrics, not in objects"},
}
