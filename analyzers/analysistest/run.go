// Package analysistest runs an analyzer over fixture files and compares what it reports
// with what the files say it must.
//
// A fixture is a YAML file of Kubernetes objects. A comment in an object's document says
// that a finding about this very object is expected, and a regular expression that its
// summary matches:
//
//	apiVersion: v1
//	kind: Service # want svc-no-endpoints "selector app=web matches no pod"
//
// For an object that is in another document or missing, the comment names it:
//
//	# want configmap-or-secret-missing Secret/shop/db "does not exist"
//
// Expectations are matched both ways: a finding that no comment expects fails too, so
// every object without a comment is a case that must stay silent, and each file with an
// expectation must hold such an object of the same kind. Three documents of Fathom's own
// exist, apiVersion fathom/v1: Snapshot (now, context, version, namespaces, access), Log
// (namespace, pod, container, previous, text) and Health (path, status, text, why). UIDs
// may be left out.
//
// On each file the harness also checks that a second run and a run over shuffled objects
// give the same findings, that objects without status do not break the analyzer, that
// the Snapshot is not changed, and that the kinds read are those declared.
package analysistest

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// TB is the part of testing.TB that the harness needs; its own tests watch it.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Run checks a over all files of a folder below testdata, one subtest a file. Across
// them, every declared code must be reported and every declared kind read at least once.
func Run(t *testing.T, a *analyzers.Analyzer, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures in testdata/%s", folder)
	}
	if err := analyzers.Validate([]*analyzers.Analyzer{a}); err != nil {
		t.Fatal(err)
	}
	codes, reads := map[string]bool{}, map[schema.GroupKind]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			check(t, a, data, codes, reads)
		})
	}
	for _, c := range a.Emits {
		if !codes[c.ID] {
			t.Errorf("no fixture in testdata/%s makes %s report %s", folder, a.Name, c.ID)
		}
	}
	for _, gk := range a.Needs {
		if !reads[gk] {
			t.Errorf("%s declares that it needs %s, and no fixture makes it read that", a.Name, gk)
		}
	}
}

func check(t TB, a *analyzers.Analyzer, data []byte, codes map[string]bool, reads map[schema.GroupKind]bool) {
	t.Helper()
	f, err := parse(data)
	if err != nil {
		t.Fatalf("%v", err)
		return
	}
	order := make([]int, len(f.objects))
	for i := range order {
		order[i] = i
	}
	s := f.snapshot(order, nil)
	before := dump(s)
	view, read := s.Recording()
	result := analyzers.Run(context.Background(), view, []*analyzers.Analyzer{a})
	for _, fail := range result.Failed {
		t.Errorf("%s: %v", fail.Analyzer, fail.Err)
	}
	for _, gk := range read() {
		reads[gk] = true
		if !slices.Contains(a.Needs, gk) {
			t.Errorf("%s reads %s and does not declare it in Needs", a.Name, gk)
		}
	}
	for _, finding := range result.Findings {
		codes[finding.Code.ID] = true
		checkFinding(t, a, finding)
	}
	compare(t, f, result.Findings)
	mustHaveSilent(t, f)

	if d := cmp.Diff(before, dump(s)); d != "" {
		t.Errorf("%s changed the snapshot:\n%s", a.Name, d)
	}
	first := text(result.Findings)
	if again := analyzers.Run(context.Background(), s, []*analyzers.Analyzer{a}); text(again.Findings) != first {
		t.Errorf("a second run differs:\n%s", cmp.Diff(first, text(again.Findings)))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if other := analyzers.Run(context.Background(), f.snapshot(order, nil), []*analyzers.Analyzer{a}); text(other.Findings) != first {
			t.Errorf("the order of the objects matters:\n%s", cmp.Diff(first, text(other.Findings)))
		}
	}
	for _, fail := range analyzers.Run(context.Background(), f.snapshot(order, stripStatus), []*analyzers.Analyzer{a}).Failed {
		t.Errorf("%s breaks on objects without status: %v", fail.Analyzer, fail.Err)
	}
}

func checkFinding(t TB, a *analyzers.Analyzer, f analyzers.Finding) {
	t.Helper()
	if !slices.Contains(a.Emits, f.Code) {
		t.Errorf("%s reports %s and does not declare it in Emits", a.Name, f.Code.ID)
	}
	if f.Summary == "" || len(f.Evidence) == 0 || f.Subject.IsZero() {
		t.Errorf("%s on %s lacks a summary, evidence or subject", f.Code.ID, f.Subject)
	}
	if n := utf8.RuneCountInString(f.Summary); n > analyzers.MaxSummary {
		t.Errorf("%s on %s has a summary of %d characters, and a line holds %d: %s", f.Code.ID, f.Subject, n, analyzers.MaxSummary, f.Summary)
	}
	for _, e := range f.Evidence {
		if e.Source == "" {
			t.Errorf("%s on %s has evidence without a source: %+v", f.Code.ID, f.Subject, e)
		}
	}
	for _, fix := range f.Fixes {
		if fix.Why == "" {
			t.Errorf("%s on %s has a fix without a reason", f.Code.ID, f.Subject)
		}
	}
}

func compare(t TB, f *fixture, findings []analyzers.Finding) {
	t.Helper()
	used := make([]bool, len(f.wants))
next:
	for _, finding := range findings {
		for i, w := range f.wants {
			if !used[i] && w.code == finding.Code.ID && w.subject == subjectKey(finding.Subject) && w.summary.MatchString(finding.Summary) {
				used[i] = true
				continue next
			}
		}
		t.Errorf("unexpected %s on %s: %s", finding.Code.ID, subjectKey(finding.Subject), finding.Summary)
	}
	for i, w := range f.wants {
		if !used[i] {
			t.Errorf("line %d: no %s on %s that matches %q", w.line, w.code, w.subject, w.summary)
		}
	}
}

// mustHaveSilent demands a negative beside each positive: an object of the same kind as
// a subject, and without an expectation.
func mustHaveSilent(t TB, f *fixture) {
	t.Helper()
	wanted := map[string]bool{}
	for _, w := range f.wants {
		wanted[w.subject] = true
	}
	for _, w := range f.wants {
		kind, _, _ := strings.Cut(w.subject, "/")
		present, silent := false, false
		for _, o := range f.objects {
			if o.GetObjectKind().GroupVersionKind().Kind == kind {
				present = true
				silent = silent || !wanted[subjectKey(cluster.RefOf(o))]
			}
		}
		if present && !silent {
			t.Errorf("line %d: the file holds no %s that must stay silent", w.line, kind)
			return
		}
	}
}

func stripStatus(o cluster.Object) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		delete(u.Object, "status")
		return
	}
	if status := reflect.ValueOf(o).Elem().FieldByName("Status"); status.IsValid() {
		status.SetZero()
	}
}

func dump(s *cluster.Snapshot) string {
	var out strings.Builder
	for _, k := range cluster.Kinds() {
		for _, o := range s.Objects(k.GroupKind()) {
			data, err := json.Marshal(o)
			if err != nil {
				return err.Error()
			}
			out.Write(data)
			out.WriteByte('\n')
		}
	}
	return out.String()
}

func text(findings []analyzers.Finding) string {
	data, err := json.MarshalIndent(findings, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}
