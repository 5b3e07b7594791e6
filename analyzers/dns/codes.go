package dns

import "github.com/kubefathom/fathom/analyzers"

func code(id string, severity analyzers.Severity, role analyzers.Role, title string) analyzers.Code {
	return analyzers.Code{ID: id, Severity: severity, Role: role, Title: title}
}

var (
	configError  = code("coredns-config-error", analyzers.Error, analyzers.Cause, "CoreDNS cannot work with its configuration")
	crashLoop    = code("coredns-crash-loop", analyzers.Error, analyzers.Cause, "CoreDNS is restarted again and again")
	nodeLocal    = code("nodelocaldns-broken", analyzers.Error, analyzers.Cause, "DNS cache on the nodes does not run")
	externalOnly = code("dns-external-only-broken", analyzers.Error, analyzers.Cause, "Names outside the cluster cannot be resolved")
	nameWrong    = code("dns-service-name-wrong", analyzers.Error, analyzers.Cause, "Program asks for a Service name that cannot be resolved")
	podName      = code("dns-headless-or-statefulset", analyzers.Error, analyzers.Cause, "Name of a single pod cannot be resolved")
	resolvConf   = code("dns-ndots-search", analyzers.Info, analyzers.Cause, "Resolver settings of pods are not what they should be")

	// They follow from what is wrong with the servers, where that can be seen.
	broken   = code("dns-resolution-broken", analyzers.Error, analyzers.Symptom, "Names cannot be resolved in the cluster")
	pending  = code("coredns-pending", analyzers.Error, analyzers.Symptom, "CoreDNS does not start")
	dangling = code("dns-name-dangling", analyzers.Info, analyzers.Symptom, "Setting names a Service that cannot be resolved")
)
