package cli

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/all"
	"github.com/kubefathom/fathom/integrations/kube"
	"github.com/kubefathom/fathom/knowledge"
)

// TestEveryCodeHasAPage: what a finding is called must lead to an explanation.
func TestEveryCodeHasAPage(t *testing.T) {
	codes := 0
	for _, a := range all.Analyzers {
		for _, c := range a.Emits {
			codes++
			if _, ok := knowledge.Get(c.ID); !ok {
				t.Errorf("%s emits %s, and knowledge/pages/%s.md does not exist", a.Name, c.ID, c.ID)
			}
		}
	}
	if codes == 0 {
		t.Fatal("no codes: the test looks at nothing")
	}
	if _, ok := knowledge.Get("no-such-code"); ok {
		t.Error("a page for everything is a page for nothing")
	}
}

// TestEveryErrorHasAPage: "more: fathom explain …" must explain.
func TestEveryErrorHasAPage(t *testing.T) {
	for _, topic := range kube.Topics {
		if _, ok := knowledge.Get(topic); !ok {
			t.Errorf("knowledge/pages/%s.md does not exist", topic)
		}
	}
}

// TestUndecidedHavePages: what no check decides is explained, and is one of ours.
func TestUndecidedHavePages(t *testing.T) {
	for _, u := range all.Undecided {
		if _, ok := knowledge.Get(u.Code); !ok {
			t.Errorf("knowledge/pages/%s.md does not exist", u.Code)
		}
		if u.Why == "" {
			t.Errorf("%s has no reason", u.Code)
		}
	}
}
