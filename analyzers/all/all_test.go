package all

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers"
)

func TestAnalyzersAreValid(t *testing.T) {
	if len(Analyzers) == 0 {
		t.Fatal("the list is empty")
	}
	if err := analyzers.Validate(Analyzers); err != nil {
		t.Error(err)
	}
}
