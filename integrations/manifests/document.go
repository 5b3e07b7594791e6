package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A document is one part of a YAML stream, with the line at which it begins.
type document struct {
	text []byte
	line int
}

// documents cuts a stream at the lines that start a new document (YAML 1.2, section
// 9.1.4). JSON is one document.
func documents(data []byte) []document {
	var out []document
	at := document{line: 1}
	n := 0
	for line := range bytes.SplitAfterSeq(data, []byte("\n")) {
		n++
		if mark := string(bytes.TrimRight(line, " \t\r\n")); mark == "---" || strings.HasPrefix(mark, "--- ") {
			out = append(out, at)
			at = document{line: n + 1}
			continue
		}
		at.text = append(at.text, line...)
	}
	return append(out, at)
}

// maxDepth is far beyond any real object; encoding/json and the YAML reader have limits
// of their own, which are larger.
const maxDepth = 200

func (l *loader) document(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		return fmt.Errorf("not YAML: %s", strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	if string(data) == "null" {
		return nil
	}
	if depth(data) > maxDepth {
		return errors.New("nested deeper than any Kubernetes object")
	}
	return l.object(data)
}

// object takes one object, or those of a list. Several JSON values in a row, as
// `kubectl get -o json` prints for several calls, are no YAML and come as an error.
func (l *loader) object(data []byte) error {
	var head struct {
		metav1.TypeMeta `json:",inline"`
		Items           []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return errors.New("not a Kubernetes object: it needs apiVersion and kind")
	}
	if strings.HasSuffix(head.Kind, "List") && head.Items != nil {
		for i, item := range head.Items {
			if err := l.item(item, head.TypeMeta); err != nil {
				return fmt.Errorf("item %d: %w", i, err)
			}
		}
		return nil
	}
	if head.Kind == "" || head.APIVersion == "" {
		return errors.New("not a Kubernetes object: it needs apiVersion and kind")
	}
	return l.add(data)
}

// item adds apiVersion and kind to the items of a typed list (PodList), where the API
// server leaves them out.
func (l *loader) item(data json.RawMessage, list metav1.TypeMeta) error {
	var have metav1.TypeMeta
	if err := json.Unmarshal(data, &have); err != nil {
		return errors.New("not a Kubernetes object")
	}
	if have.Kind != "" {
		return l.object(data)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return errors.New("not a Kubernetes object")
	}
	fields["apiVersion"], _ = json.Marshal(list.APIVersion)
	fields["kind"], _ = json.Marshal(strings.TrimSuffix(list.Kind, "List"))
	whole, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return l.add(whole)
}

func (l *loader) add(data []byte) error {
	o, err := cluster.DecodeObject(data)
	if err != nil {
		return err
	}
	if o == nil {
		l.skipped++
		return nil
	}
	k, _ := cluster.KindFor(o.GetObjectKind().GroupVersionKind().GroupKind())
	if k.Namespaced && o.GetNamespace() == "" {
		o.SetNamespace("default") // as kubectl apply would
	}
	l.kinds[k.GroupKind().String()] = k
	l.objects++
	l.b.Add(o)
	return nil
}

// depth is how deep arrays and objects are nested in valid JSON.
func depth(data []byte) int {
	deepest, now := 0, 0
	quoted, escaped := false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
