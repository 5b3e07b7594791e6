package rollouts

import "github.com/kubefathom/fathom/analyzers"

var (
	progressDeadline = analyzers.Code{ID: "rollout-progress-deadline", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Rollout is beyond its progress deadline"}
	replicaFailure   = analyzers.Code{ID: "rollout-replicafailure", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Pods cannot be created"}
	paused           = analyzers.Code{ID: "rollout-paused", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "Deployment is paused"}
	downtime         = analyzers.Code{ID: "rollout-downtime-recreate", Severity: analyzers.Info, Role: analyzers.Cause, Title: "Each update takes all pods away at once"}
	statefulSetStuck = analyzers.Code{ID: "statefulset-rollout-stuck", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "StatefulSet's update or scaling is stuck"}
	forcedRollback   = analyzers.Code{ID: "statefulset-forced-rollback", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "StatefulSet waits for a broken pod of a former revision"}
	daemonSetStuck   = analyzers.Code{ID: "daemonset-rollout-stuck", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "DaemonSet's update is stuck"}
	drainBlocked     = analyzers.Code{ID: "pdb-blocks-drain", Severity: analyzers.Warning, Role: analyzers.Cause, Title: "PodDisruptionBudget never allows a pod to be evicted"}
	quotaExceeded    = analyzers.Code{ID: "quota-exceeded", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ResourceQuota leaves no room for the pods"}
	quotaUnspecified = analyzers.Code{ID: "quota-must-specify", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ResourceQuota demands requests or limits that are not set"}
	limitViolation   = analyzers.Code{ID: "limitrange-violation", Severity: analyzers.Error, Role: analyzers.Cause, Title: "LimitRange refuses the pods' requests or limits"}
	podSecurity      = analyzers.Code{ID: "psa-violation", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Pod Security refuses the pods"}
	invalidField     = analyzers.Code{ID: "invalid-manifest-field", Severity: analyzers.Error, Role: analyzers.Cause, Title: "A field of the pods is not valid"}
	policyDenied     = analyzers.Code{ID: "policy-engine-denied", Severity: analyzers.Error, Role: analyzers.Cause, Title: "A policy denies the pods"}
	noServiceAccount = analyzers.Code{ID: "serviceaccount-missing", Severity: analyzers.Error, Role: analyzers.Cause, Title: "ServiceAccount does not exist"}
	noPriorityClass  = analyzers.Code{ID: "priorityclass-missing", Severity: analyzers.Error, Role: analyzers.Cause, Title: "PriorityClass does not exist"}
	webhookDown      = analyzers.Code{ID: "webhook-unreachable-blocks-api", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Admission webhook without a backend blocks the API"}
	webhookSlow      = analyzers.Code{ID: "webhook-timeout", Severity: analyzers.Error, Role: analyzers.Cause, Title: "Admission webhook does not answer in time"}
	webhookUntrusted = analyzers.Code{ID: "webhook-cert-invalid", Severity: analyzers.Error, Role: analyzers.Cause, Title: "API server does not trust the webhook's certificate"}
)
