package pods

import "github.com/kubefathom/fathom/analyzers"

var stuckCreating = analyzers.Code{ID: "pod-stuck-creating", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Pod stands still on its node before its containers start"}
