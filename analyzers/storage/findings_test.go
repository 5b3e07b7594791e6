package storage_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/diagnose"
	"github.com/kubefathom/fathom/analyzers/pods"
	"github.com/kubefathom/fathom/analyzers/scheduling"
	"github.com/kubefathom/fathom/analyzers/storage"
)

var checks = []*analyzers.Analyzer{
	storage.AttachFailed, storage.Bypassed, storage.DiskFull, storage.Mount, storage.MultiAttach, storage.Network, storage.NoClass, storage.NoProvisioner,
	storage.NoVolume, storage.PathType, storage.ProvisioningFailed, storage.Resize, storage.Slow, storage.Terminating, storage.Unregistered,
}

// TestOneCheckEach runs all checks over all fixtures: of one object no two may say what is
// wrong with it, or a person would read the same twice.
func TestOneCheckEach(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		s, err := analysistest.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[analyzers.Ref]string{}
		for _, f := range analyzers.Run(context.Background(), s, checks).Findings {
			if other := seen[f.Subject]; other != "" && other != f.Code.ID {
				t.Errorf("%s: %s has %s and %s", file, f.Subject, other, f.Code.ID)
			}
			seen[f.Subject] = f.Code.ID
		}
	}
}

// TestPodsFollow checks that what other areas say of the pods follows from the claim or the
// class: the pod is never the root where storage knows better.
func TestPodsFollow(t *testing.T) {
	list := slices.Concat(checks, []*analyzers.Analyzer{scheduling.Unschedulable, pods.Stuck})
	for _, file := range []string{"no-class/unknown", "no-class/no-default", "no-volume/attributes", "no-provisioner/silent", "provisioning-failed/refused", "attach-failed/errors", "mount/words", "unregistered/drivers", "multi-attach/dead-node"} {
		s, err := analysistest.Load("testdata/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		known := map[analyzers.Ref]bool{}
		for _, f := range analyzers.Run(context.Background(), s, checks).Findings {
			for _, ref := range f.Affected {
				known[ref] = true
			}
		}
		for _, d := range diagnose.Diagnose(s, analyzers.Run(context.Background(), s, list).Findings) {
			if d.RootCause.Code.Role == analyzers.Symptom && slices.ContainsFunc(d.RootCause.Affected, func(ref analyzers.Ref) bool { return known[ref] }) {
				t.Errorf("%s: root is %s on %s: %s", file, d.RootCause.Code.ID, d.RootCause.Subject, d.RootCause.Summary)
			}
		}
	}
}

func TestSharedClass(t *testing.T) {
	s, err := analysistest.Load("testdata/no-class/unknown.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diagnose.Diagnose(s, analyzers.Run(context.Background(), s, checks).Findings) {
		if d.RootCause.Subject.Kind == "StorageClass" && d.RootCause.Subject.Name == "premium-rwo" && len(d.RootCause.Affected) == 2 {
			return
		}
	}
	t.Error("two claims of one missing class are not one diagnosis")
}
