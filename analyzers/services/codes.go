package services

import "github.com/kubefathom/fathom/analyzers"

var (
	noEndpoints      = analyzers.Code{ID: "svc-no-endpoints", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Service has no endpoints"}
	endpointsUnready = analyzers.Code{ID: "svc-endpoints-not-ready", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Service has pods and none is ready"}
	portMismatch     = analyzers.Code{ID: "svc-port-mismatch", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Service sends traffic to a port that its pods do not have"}
	bindsLocalhost   = analyzers.Code{ID: "app-binds-localhost", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Application listens on the loopback address only"}
	setService       = analyzers.Code{ID: "statefulset-service-missing", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Service that gives a StatefulSet's pods their names does not exist"}
	externalName     = analyzers.Code{ID: "svc-externalname-misuse", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ExternalName is not a host name that resolves"}
	trafficLocal     = analyzers.Code{ID: "svc-external-traffic-policy-local", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Nodes without a pod of the Service drop its external traffic"}
	trafficLocalIn   = analyzers.Code{ID: "svc-internal-traffic-policy-local", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Nodes without a pod of the Service drop its internal traffic"}
	lbPending        = analyzers.Code{ID: "svc-lb-pending", Severity: analyzers.Error, Role: analyzers.Cause, Title: "LoadBalancer Service gets no external address"}
	lbUnhealthy      = analyzers.Code{ID: "svc-lb-unhealthy-backends", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Load balancer's health checks fail"}
	addressClash     = analyzers.Code{ID: "svc-clusterip-allocation-failed", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Address or node port of the Service is not its own"}
)
