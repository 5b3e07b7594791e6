package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Scenario is a scenario.yaml; the README beside the scenarios describes it.
type Scenario struct {
	Title     string   `json:"title"`
	Group     string   `json:"group"`
	Question  string   `json:"question"`
	Healthy   bool     `json:"healthy"`
	Expect    []Cause  `json:"expect"`
	ExpectAll []Cause  `json:"expectAll"`
	NotBlamed []string `json:"notBlamed"`
	Namespace string   `json:"namespace"`
	Nodes     string   `json:"nodes"`
	Steps     []Step   `json:"steps"`
	Wait      Wait     `json:"wait"`
	Alone     bool     `json:"alone"`
	Note      string   `json:"note"`

	name, dir string
}

// Cause is one expected root cause; Or holds what else is accepted for it.
type Cause struct {
	Code    string  `json:"code"`
	Subject string  `json:"subject"`
	Or      []Cause `json:"or"`
}

// Step is one later action; exactly one field is set.
type Step struct {
	Apply   string   `json:"apply"`
	Kubectl string   `json:"kubectl"`
	Patch   *Patch   `json:"patch"`
	Wait    *Wait    `json:"wait"`
	Sleep   Duration `json:"sleep"`
}

// Patch is a strategic merge patch, or a plain merge for the status.
type Patch struct {
	Object      string `json:"object"`
	Subresource string `json:"subresource"`
	JSON        string `json:"json"`
}

// Wait says how to know that the fault has happened.
type Wait struct {
	For     []Check  `json:"for"`
	Settle  Duration `json:"settle"`
	Timeout Duration `json:"timeout"`
}

// Check holds when the jsonpath of the objects matches the pattern.
type Check struct {
	Get   string `json:"get"`
	Path  string `json:"path"`
	Match string `json:"match"`
}

// Duration is written as 90s or 2m.
type Duration time.Duration

// UnmarshalJSON reads the written form.
func (d *Duration) UnmarshalJSON(b []byte) error {
	v, err := time.ParseDuration(strings.Trim(string(b), `"`))
	*d = Duration(v)
	return err
}

// load reads and validates the scenario in dir.
func load(dir string) (*Scenario, error) {
	b, err := os.ReadFile(filepath.Join(dir, "scenario.yaml"))
	if err != nil {
		return nil, err
	}
	s := &Scenario{name: filepath.Base(dir), dir: dir}
	if err := yaml.UnmarshalStrict(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if s.Namespace == "" {
		s.Namespace = s.name
	}
	if s.Wait.Timeout == 0 {
		s.Wait.Timeout = Duration(2 * time.Minute)
	}
	return s, s.validate()
}

func (s *Scenario) validate() error {
	expected := append(append([]Cause(nil), s.Expect...), s.ExpectAll...)
	switch {
	case s.Title == "" || s.Group == "" || s.Question == "":
		return fmt.Errorf("%s: title, group and question are required", s.name)
	case s.Healthy && len(expected) > 0:
		return fmt.Errorf("%s: healthy, and yet it expects a cause", s.name)
	case !s.Healthy && len(expected) == 0:
		return fmt.Errorf("%s: expects no cause, and yet it is not healthy", s.name)
	case len(s.Wait.For) == 0:
		return fmt.Errorf("%s: nothing to wait for", s.name)
	}
	for _, c := range expected {
		if c.Code == "" || strings.Count(c.Subject, "/") != 1 {
			return fmt.Errorf("%s: expected cause %q needs a code and a subject Kind/name", s.name, c.Code)
		}
	}
	waits := []Wait{s.Wait}
	for _, step := range s.Steps {
		if step.Wait != nil {
			waits = append(waits, *step.Wait)
		}
	}
	for _, w := range waits {
		for _, c := range w.For {
			if _, err := regexp.Compile(c.Match); err != nil || c.Get == "" || c.Path == "" {
				return fmt.Errorf("%s: check %q %q %q is incomplete or its pattern is wrong", s.name, c.Get, c.Path, c.Match)
			}
		}
	}
	return nil
}

var clusterScoped = regexp.MustCompile(`(?m)^kind: (PersistentVolume|StorageClass|PriorityClass|Node|RuntimeClass|IngressClass)$`)

// exclusive tells that the scenario disturbs the cluster outside its namespace,
// so that no other one may run at the same time.
func (s *Scenario) exclusive() bool {
	if s.Alone || s.Nodes != "" {
		return true
	}
	files, _ := filepath.Glob(filepath.Join(s.dir, "*.yaml"))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && clusterScoped.Match(b) {
			return true
		}
	}
	return false
}
