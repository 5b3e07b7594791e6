package all

// An Omission is a failure mode that no check decides, and why.
type Omission struct {
	Code string
	Why  string
}

// Undecided are the failure modes of the groups covered so far that objects, events and
// logs do not show.
var Undecided = []Omission{
	{"cpu-throttling", "only the container's CPU metrics show it (container_cpu_cfs_throttled_periods_total); a pod's status and events do not"},
	{"svc-nodeport-unreachable", "a firewall, security group or router between the client and the node is in no object of the cluster"},
	{"svc-session-or-lb-imbalance", "how requests spread over pods is in traffic metrics, not in objects"},
}
