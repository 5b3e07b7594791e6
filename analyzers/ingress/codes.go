package ingress

import "github.com/kubefathom/fathom/analyzers"

// What is behind an Ingress is named in CausedBy, so that its findings follow from that
// Service alone: by the graph they might fold under any other one of its Services.
var (
	noMatch        = analyzers.Code{ID: "ingress-404-no-match", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Ingress rule matches no request that it is meant for"}
	pathConflict   = analyzers.Code{ID: "ingress-path-conflict", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Two Ingresses claim the same host and path"}
	noAddress      = analyzers.Code{ID: "ingress-no-address", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Ingress is served by no controller"}
	noEndpoints    = analyzers.Code{ID: "ingress-503-no-endpoints", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Ingress leads to a Service that cannot answer"}
	badGateway     = analyzers.Code{ID: "ingress-502-upstream", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Ingress controller gets no valid answer from the pods"}
	gatewayTimeout = analyzers.Code{ID: "ingress-504-timeout", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Ingress controller waits too long for the pods"}
	bodySize       = analyzers.Code{ID: "ingress-413-body-size", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Ingress controller refuses large requests"}
	defaultCert    = analyzers.Code{ID: "ingress-tls-default-cert", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Ingress is served with the controller's default certificate"}
	redirectLoop   = analyzers.Code{ID: "ingress-redirect-loop", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Ingress redirects to itself"}
	ignored        = analyzers.Code{ID: "ingress-annotation-ignored", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Ingress annotation has no effect"}
	iamDenied      = analyzers.Code{ID: "cloud-iam-denied-controller", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Cloud refuses what a controller asks for"}
)
