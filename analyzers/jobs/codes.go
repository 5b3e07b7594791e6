package jobs

import "github.com/kubefathom/fathom/analyzers"

var (
	jobFailed = analyzers.Code{ID: "job-backofflimit-exceeded", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "Job has failed for good"}
	missed    = analyzers.Code{ID: "cronjob-missed-schedule", Severity: analyzers.Error, Role: analyzers.Symptom, Title: "CronJob does not start its Jobs when they are due"}
	notDue    = analyzers.Code{ID: "cronjob-suspended-or-timezone", Severity: analyzers.Error, Role: analyzers.Cause, Title: "CronJob's schedule never comes due"}
)
