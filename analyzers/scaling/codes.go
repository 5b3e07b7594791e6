package scaling

import "github.com/kubefathom/fathom/analyzers"

var (
	metricsServerDown = analyzers.Code{ID: "metrics-server-not-working", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Metrics API is missing or down"}
	unmeasured        = analyzers.Code{ID: "hpa-metrics-unavailable", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Autoscaler gets no metrics of its target"}
	noRequests        = analyzers.Code{ID: "hpa-missing-requests", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Autoscaler needs a resource request that a container lacks"}
	noSuchContainer   = analyzers.Code{ID: "hpa-container-not-found", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Autoscaler measures a container that its target does not have"}
	noCustomMetric    = analyzers.Code{ID: "hpa-custom-metric-missing", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Custom or external metric is not served"}
	maxedOut          = analyzers.Code{ID: "hpa-maxed-out", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Autoscaler is at its maximum and the load is above target"}
	notScaling        = analyzers.Code{ID: "hpa-not-scaling-as-expected", Severity: analyzers.Warning, Role: analyzers.Symptom, Title: "Autoscaler does not scale as expected"}
	replicasFight     = analyzers.Code{ID: "hpa-replicas-fight", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Two scalers set the replicas or requests of one workload"}
	targetInvalid     = analyzers.Code{ID: "hpa-target-invalid", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Autoscaler's target does not exist or cannot be scaled"}
	noScaleUp         = analyzers.Code{ID: "ca-no-scale-up", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Cluster autoscaler adds no node for a pending pod"}
	scaleDownBlocked  = analyzers.Code{ID: "ca-scale-down-blocked", Severity: analyzers.Info, Role: analyzers.Cause, Title: "Cluster autoscaler cannot remove a node"}
	notApplied        = analyzers.Code{ID: "vpa-not-applying", Severity: analyzers.Warning, Role: analyzers.Symptom, Title: "Vertical autoscaler's recommendation is missing or not applied"}
	notProvisioned    = analyzers.Code{ID: "karpenter-no-provision", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Karpenter provides no node for a pending pod"}
)
