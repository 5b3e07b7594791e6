package analysistest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A fixture is one parsed file.
type fixture struct {
	info    cluster.Info
	access  []cluster.Access
	objects []cluster.Object
	logs    []cluster.Log
	health  []cluster.Health
	wants   []want
}

// A want is one expected finding.
type want struct {
	code    string
	subject string // Kind/namespace/name or Kind/name, as written by subjectKey
	summary *regexp.Regexp
	line    int
}

// settings is the fixture's document of kind Snapshot.
type settings struct {
	Now        metav1.Time      `json:"now"`
	Context    string           `json:"context"`
	Version    string           `json:"version"`    // of the API server
	Namespaces []string         `json:"namespaces"` // the scope; empty means all
	Access     []cluster.Access `json:"access"`     // replaces "complete" for these kinds
}

var wantLine = regexp.MustCompile(`#\s*want\s+([a-z0-9-]+)(?:\s+([A-Z][A-Za-z]*/\S+))?\s+("(?:[^"\\]|\\.)*"|` + "`[^`]*`" + `)\s*$`)

func parse(data []byte) (*fixture, error) {
	f := &fixture{}
	line := 1
	for _, doc := range splitDocuments(data) {
		if err := f.add(doc, line); err != nil {
			return nil, err
		}
		line += bytes.Count(doc, []byte("\n")) + 1
	}
	return f, nil
}

// splitDocuments cuts at lines that are "---".
func splitDocuments(data []byte) [][]byte {
	var docs [][]byte
	var doc []byte
	for l := range bytes.SplitAfterSeq(data, []byte("\n")) {
		if string(bytes.TrimRight(l, " \r\n")) == "---" {
			docs, doc = append(docs, doc), nil
			continue
		}
		doc = append(doc, l...)
	}
	return append(docs, doc)
}

func (f *fixture) add(doc []byte, line int) error {
	subject, err := f.addObject(doc)
	if err != nil {
		return fmt.Errorf("document at line %d: %w", line, err)
	}
	for i, l := range strings.Split(string(doc), "\n") {
		if !strings.Contains(l, "want ") || !strings.Contains(l, "#") {
			continue
		}
		m := wantLine.FindStringSubmatch(l)
		if m == nil {
			if regexp.MustCompile(`#\s*want\b`).MatchString(l) {
				return fmt.Errorf("line %d: a want is `# want code [Kind/namespace/name] \"regexp\"`: %s", line+i, l)
			}
			continue
		}
		pattern, err := strconv.Unquote(m[3])
		if err != nil {
			return fmt.Errorf("line %d: %w", line+i, err)
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return fmt.Errorf("line %d: %w", line+i, err)
		}
		w := want{code: m[1], subject: m[2], summary: re, line: line + i}
		if w.subject == "" {
			w.subject = subject
		}
		if w.subject == "" {
			return fmt.Errorf("line %d: this want stands beside no object: name its subject as Kind/namespace/name", line+i)
		}
		f.wants = append(f.wants, w)
	}
	return nil
}

func (f *fixture) addObject(doc []byte) (subject string, err error) {
	data, err := yaml.YAMLToJSON(doc)
	if err != nil {
		return "", err
	}
	if string(data) == "null" {
		return "", nil
	}
	var tm metav1.TypeMeta
	if err := json.Unmarshal(data, &tm); err != nil {
		return "", err
	}
	if tm.APIVersion == "fathom/v1" {
		return "", f.addOwn(tm.Kind, data)
	}
	o, err := cluster.DecodeObject(data)
	if err != nil {
		return "", err
	}
	if o == nil {
		return "", fmt.Errorf("%s %s is not in the table of kinds", tm.APIVersion, tm.Kind)
	}
	fillUIDs(o)
	f.objects = append(f.objects, o)
	return subjectKey(cluster.RefOf(o)), nil
}

func (f *fixture) addOwn(kind string, data []byte) error {
	switch kind {
	case "Log":
		var l cluster.Log
		if err := json.Unmarshal(data, &l); err != nil {
			return err
		}
		f.logs = append(f.logs, l)
	case "Health":
		var h cluster.Health
		if err := json.Unmarshal(data, &h); err != nil {
			return err
		}
		f.health = append(f.health, h)
	case "Snapshot":
		var s settings
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		f.info = cluster.Info{Context: s.Context, Version: s.Version, CapturedAt: s.Now.Time, Namespaces: s.Namespaces}
		f.access = s.Access
	default:
		return errors.New("fathom/v1 has the kinds Snapshot, Log and Health")
	}
	return nil
}

// fillUIDs lets a fixture leave out UIDs: an object's is made of its name, and an owner
// reference without one means the object of that name.
func fillUIDs(o cluster.Object) {
	uid := func(kind, name string) types.UID {
		return types.UID(kind + "/" + o.GetNamespace() + "/" + name)
	}
	if o.GetUID() == "" {
		o.SetUID(uid(o.GetObjectKind().GroupVersionKind().Kind, o.GetName()))
	}
	owners := o.GetOwnerReferences()
	for i := range owners {
		if owners[i].UID == "" {
			owners[i].UID = uid(owners[i].Kind, owners[i].Name)
		}
		if owners[i].Controller == nil {
			yes := true
			owners[i].Controller = &yes
		}
	}
	o.SetOwnerReferences(owners)
}

// Load reads the Snapshot of a fixture file, for tests that need more than Run.
func Load(file string) (*cluster.Snapshot, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	order := make([]int, len(f.objects))
	for i := range order {
		order[i] = i
	}
	return f.snapshot(order, nil), nil
}

// snapshot builds the fixture's Snapshot from deep copies, in the given order.
func (f *fixture) snapshot(order []int, change func(cluster.Object)) *cluster.Snapshot {
	info := f.info
	b := cluster.NewBuilder(info)
	for _, i := range order {
		o := f.objects[i].DeepCopyObject().(cluster.Object)
		if change != nil {
			change(o)
		}
		b.Add(o)
	}
	for _, l := range f.logs {
		b.AddLog(l)
	}
	for _, h := range f.health {
		b.AddHealth(h)
	}
	said := map[string]bool{}
	for _, a := range f.access {
		said[a.GroupKind().String()] = true
		b.AddAccess(a)
	}
	for _, k := range cluster.Kinds() {
		if !said[k.GroupKind().String()] {
			b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
		}
	}
	if info.CapturedAt.IsZero() {
		b.Info.CapturedAt = time.Time{}
	}
	return b.Build()
}

func subjectKey(r cluster.Ref) string {
	if r.Namespace == "" {
		return r.Kind + "/" + r.Name
	}
	return r.Kind + "/" + r.Namespace + "/" + r.Name
}
