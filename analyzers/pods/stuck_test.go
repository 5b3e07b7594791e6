package pods_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/pods"
)

func TestStuck(t *testing.T) { analysistest.Run(t, pods.Stuck, "stuck") }
