package pods

import "github.com/kubefathom/fathom/analyzers"

var stuckCreating = analyzers.Code{ID: "pod-stuck-creating", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Pod is stuck on its node before its containers start"}
