package admission_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/admission"
	"github.com/kubefathom/fathom/analyzers/analysistest"
)

func TestForbidden(t *testing.T) { analysistest.Run(t, admission.Forbidden, "forbidden") }
func TestIdentity(t *testing.T)  { analysistest.Run(t, admission.Identity, "identity") }

func TestUnauthorized(t *testing.T) {
	analysistest.Run(t, admission.Unauthorized, "unauthorized")
}
