package jobs_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/jobs"
)

func TestFailed(t *testing.T) { analysistest.Run(t, jobs.Failed, "failed") }
func TestMissed(t *testing.T) { analysistest.Run(t, jobs.Missed, "missed") }
func TestNotDue(t *testing.T) { analysistest.Run(t, jobs.NotDue, "not-due") }
