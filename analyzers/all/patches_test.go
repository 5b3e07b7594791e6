package all

import (
	"context"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// runs reports whether a pod that the finding is about has a node: what a new template
// does to it the copy cannot show, so that a finding which is gone proves nothing.
func runs(s *cluster.Snapshot, f analyzers.Finding) bool {
	for _, ref := range f.Affected {
		o, _ := s.Get(ref)
		if pod, ok := o.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
			return true
		}
	}
	return false
}

// TestPatchesMend applies each fix that is a patch to a copy of its fixture: the finding
// that proposes it must be gone from nine in ten. In the others the patch is one step of
// several, as for a DaemonSet that a taint keeps away once its selector is gone, or of
// pods that are not there any more; those fixes are shown as suggested, not as proven.
func TestPatchesMend(t *testing.T) {
	files, err := filepath.Glob("../*/testdata/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	patches, stand := 0, 0
	for _, file := range files {
		s, err := analysistest.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range analyzers.Run(context.Background(), s, Analyzers).Findings {
			for _, fix := range f.Fixes {
				if fix.Patch == nil || runs(s, f) && fix.Patch.Target.Is(f.Subject) {
					continue
				}
				patches++
				after, err := s.With(fix.Patch.Target, fix.Patch.Data)
				if err != nil {
					t.Errorf("%s: %s %s: %v", file, f.Code.ID, f.Subject, err)
					continue
				}
				for _, left := range analyzers.Run(context.Background(), after, Analyzers).Findings {
					if left.Code == f.Code && left.Subject == f.Subject && left.Part == f.Part {
						stand++
						t.Logf("%s: after %s %s still has: %s", file, fix.Patch.Data, f.Subject, left.Summary)
					}
				}
			}
		}
	}
	if patches < 40 || stand*10 > patches {
		t.Errorf("after %d of %d patches the finding stands", stand, patches)
	}
	t.Logf("after %d of %d patches the finding stands", stand, patches)
}
