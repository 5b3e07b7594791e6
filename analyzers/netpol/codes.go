package netpol

import "github.com/kubefathom/fathom/analyzers"

var (
	defaultDeny     = analyzers.Code{ID: "netpol-default-deny", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Network policy has no rule for a connection that is needed"}
	selectorMistake = analyzers.Code{ID: "netpol-selector-mistake", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Rule of a network policy misses what it is meant for"}
	ipBlockExternal = analyzers.Code{ID: "netpol-ipblock-external", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ipBlock of a network policy does not hold the address that policies see"}
	blocksDNS       = analyzers.Code{ID: "netpol-blocks-dns", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Network policy cuts pods off from the cluster's DNS"}
	notEnforced     = analyzers.Code{ID: "netpol-not-enforced", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Network policies have no effect"}
	ciliumInvalid   = analyzers.Code{ID: "cilium-policy-invalid", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Cilium rejects a policy"}
)
