package evals

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/knowledge"
)

// CaptureFile is the recording beside a scenario.yaml.
const CaptureFile = "cluster.capture"

// A Scenario says what happened in a recorded cluster; scenarios/README.md describes
// the file. What only the recording of it needs is kept unread.
type Scenario struct {
	Name      string          `json:"-"`
	Dir       string          `json:"-"`
	Title     string          `json:"title"`
	Group     string          `json:"group"`
	Question  string          `json:"question"`
	Healthy   bool            `json:"healthy"`
	Expect    []Cause         `json:"expect"`
	ExpectAll []Cause         `json:"expectAll"`
	NotBlamed []string        `json:"notBlamed"`
	Namespace string          `json:"namespace"`
	Nodes     string          `json:"nodes"`
	Steps     json.RawMessage `json:"steps"`
	Wait      json.RawMessage `json:"wait"`
	Alone     bool            `json:"alone"`
	Note      string          `json:"note"`
}

// A Cause is one expected root cause: its code and its subject as Kind/name. Or holds
// what is accepted in its place.
type Cause struct {
	Code    string  `json:"code"`
	Subject string  `json:"subject"`
	Or      []Cause `json:"or"`
}

// Scenarios reads all scenarios below dir, ordered by name. A scenario with an unknown
// key or code, or without an expectation, is an error that names it.
func Scenarios(dir string) ([]Scenario, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "scenario.yaml"))
	if err != nil {
		return nil, err
	}
	var out []Scenario
	for _, file := range files {
		s, err := readScenario(file)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", filepath.Base(filepath.Dir(file)), err)
		}
		out = append(out, s)
	}
	return out, nil
}

func readScenario(file string) (Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Scenario{}, err
	}
	s := Scenario{Dir: filepath.Dir(file), Name: filepath.Base(filepath.Dir(file))}
	if err := yaml.UnmarshalStrict(data, &s); err != nil {
		return s, err
	}
	if s.Healthy == (len(s.Expect)+len(s.ExpectAll) > 0) {
		return s, fmt.Errorf("it must be healthy, or expect something")
	}
	for _, c := range append(append([]Cause{}, s.Expect...), s.ExpectAll...) {
		if err := c.validate(); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (c Cause) validate() error {
	if _, ok := knowledge.Get(c.Code); !ok {
		return fmt.Errorf("the code %q has no knowledge page", c.Code)
	}
	if kind, name, ok := strings.Cut(c.Subject, "/"); !ok || kind == "" || name == "" {
		return fmt.Errorf("the subject %q is not Kind/name", c.Subject)
	}
	for _, other := range c.Or {
		if err := other.validate(); err != nil {
			return err
		}
	}
	return nil
}

// Open reads the scenario's recording.
func (s Scenario) Open() (*cluster.Snapshot, error) {
	f, err := os.Open(filepath.Join(s.Dir, CaptureFile))
	if err != nil {
		return nil, fmt.Errorf("scenario %s has no recording: %w", s.Name, err)
	}
	defer f.Close()
	snap, err := cluster.ReadCapture(f)
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	return snap, nil
}
