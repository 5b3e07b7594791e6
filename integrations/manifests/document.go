package manifests

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A document is one YAML document or JSON value of a file.
type document struct {
	line int // of its first line, from 1
	text []byte
	json bool
}

// decodeText gives the UTF-8 text of a file. PowerShell's redirection writes UTF-16.
func decodeText(data []byte) ([]byte, error) {
	if order, ok := byteOrder(data); ok && len(data)%2 == 0 {
		units := make([]uint16, 0, len(data)/2)
		for i := 2; i < len(data); i += 2 {
			units = append(units, order.Uint16(data[i:]))
		}
		data = []byte(string(utf16.Decode(units)))
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("it is neither YAML nor JSON: it holds binary data")
	}
	return data, nil
}

func byteOrder(data []byte) (binary.ByteOrder, bool) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return binary.LittleEndian, true
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return binary.BigEndian, true
	}
	return nil, false
}

// documents splits a file. A file that starts with a brace is JSON, of one value or
// several; everything else is YAML, in which a line that starts with "---" begins a
// document and one that is "..." ends it. No such line can stand inside a scalar
// (YAML 1.2.2, 9.1.2).
func documents(text []byte) iter.Seq[document] {
	return func(yield func(document) bool) {
		if trimmed := bytes.TrimLeftFunc(text, unicode.IsSpace); len(trimmed) > 0 && trimmed[0] == '{' {
			line := 1 + bytes.Count(text[:len(text)-len(trimmed)], []byte("\n"))
			yield(document{line: line, text: trimmed, json: true})
			return
		}
		start, first, at := 0, 1, 1
		for from := 0; from < len(text); at++ {
			end := len(text)
			if i := bytes.IndexByte(text[from:], '\n'); i >= 0 {
				end = from + i + 1
			}
			if line := text[from:end]; marks(line, "---") || marks(line, "...") {
				if !yield(document{line: first, text: text[start:from]}) {
					return
				}
				// What follows the mark on its line belongs to the document.
				start, first = from+3, at
				if rest := bytes.TrimSpace(line[3:]); len(rest) == 0 || rest[0] == '#' {
					start, first = end, at+1
				}
			}
			from = end
		}
		yield(document{line: first, text: text[start:]})
	}
}

// marks reports whether a line is a document mark, alone or with something behind it.
func marks(line []byte, mark string) bool {
	return bytes.HasPrefix(line, []byte(mark)) && (len(line) == len(mark) || strings.IndexByte(" \t\r\n", line[len(mark)]) >= 0)
}

func (l *loader) document(file string, d document) error {
	if d.json {
		return l.jsonValues(file, d)
	}
	if len(bytes.TrimSpace(d.text)) == 0 {
		return nil
	}
	if len(d.text) >= splitFrom {
		if done, err := l.largeList(file, d); done {
			return err
		}
	}
	if err := expansion(d.text); err != nil {
		return &Error{File: file, Line: d.line, Message: err.Error(), Hint: "write the repeated parts out", Err: err}
	}
	data, err := yaml.YAMLToJSON(d.text)
	if err != nil {
		return yamlError(file, d, err)
	}
	return l.value(file, d.line, data, "", 0)
}

// jsonValues reads one JSON value after the other.
func (l *loader) jsonValues(file string, d document) error {
	dec := json.NewDecoder(bytes.NewReader(d.text))
	lineAt := func(offset int64) int {
		return d.line + bytes.Count(d.text[:min(offset, int64(len(d.text)))], []byte("\n"))
	}
	for {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		line := lineAt(dec.InputOffset())
		if err != nil {
			message := "not JSON: " + plain(err.Error())
			var syntax *json.SyntaxError
			switch {
			case errors.As(err, &syntax):
				message += fmt.Sprintf(", at line %d", lineAt(syntax.Offset))
			case errors.Is(err, io.ErrUnexpectedEOF):
				message = "the JSON ends in the middle"
			}
			return &Error{File: file, Line: line, Message: message, Hint: "write it again with kubectl get -o json", Err: err}
		}
		if err := l.value(file, line-bytes.Count(raw, []byte("\n")), raw, "", 0); err != nil {
			return err
		}
	}
}

// head is what tells an object from a list, and both from anything else.
type head struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Items      json.RawMessage `json:"items"`
}

const (
	// maxLists is how deep lists may be in lists: kubectl writes them one deep.
	maxLists = 3
	// maxDepth is far beyond any real object; encoding/json and the YAML reader have
	// limits of their own, which are larger.
	maxDepth = 200
)

// value takes an object, or the objects of a list. where tells the item of a list.
func (l *loader) value(file string, line int, data []byte, where string, lists int) error {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || string(data) == "null" && where == "" {
		return nil
	}
	fail := func(hint, format string, args ...any) error {
		return &Error{File: file, Line: line, Message: where + fmt.Sprintf(format, args...), Hint: hint}
	}
	if lists == 0 && depth(data) > maxDepth {
		return fail("look at what wrote it", "nested deeper than any Kubernetes object")
	}
	var h head
	if data[0] != '{' || json.Unmarshal(data, &h) != nil || h.APIVersion == "" || h.Kind == "" {
		if l.walking && where == "" { // the values of a chart, settings of a CI service
			l.skipped["document without apiVersion and kind"]++
			return nil
		}
		return fail("give Kubernetes manifests, or the output of kubectl get -o yaml", "not a Kubernetes object: it needs apiVersion and kind")
	}
	if kind, ok := strings.CutSuffix(h.Kind, "List"); ok && h.Items != nil {
		var items []json.RawMessage
		if json.Unmarshal(h.Items, &items) != nil || lists == maxLists {
			return fail("write it again with kubectl get -o yaml", "the items of the %s are no list of objects", plain(h.Kind))
		}
		for i, item := range items {
			if kind != "" {
				item = withKind(item, h.APIVersion, kind)
			}
			if err := l.value(file, line, item, fmt.Sprintf("%sitem %d: ", where, i), lists+1); err != nil {
				return err
			}
		}
		return nil
	}
	o, err := cluster.DecodeObject(data)
	switch {
	case err != nil:
		return fail("see what the API server says of it: kubectl apply --dry-run=server -f FILE", "%s", plain(err.Error()))
	case o == nil:
		l.skipped[what(h)]++
	case o.GetName() == "" && o.GetGenerateName() == "":
		l.skipped[plain(h.Kind)+" without a name"]++
	default:
		l.add(o)
	}
	return nil
}

// withKind adds apiVersion and kind to an item of a typed list (PodList), where the API
// server leaves them out.
func withKind(item json.RawMessage, apiVersion, kind string) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(item, &fields) != nil || fields == nil || fields["kind"] != nil {
		return item
	}
	fields["apiVersion"], _ = json.Marshal(apiVersion)
	fields["kind"], _ = json.Marshal(kind)
	if whole, err := json.Marshal(fields); err == nil {
		return whole
	}
	return item
}

func (l *loader) add(o cluster.Object) {
	if o.GetName() == "" {
		o.SetName(o.GetGenerateName())
	}
	k, _ := cluster.KindFor(o.GetObjectKind().GroupVersionKind().GroupKind())
	if k.Namespaced && o.GetNamespace() == "" {
		o.SetNamespace(l.namespace)
	}
	l.kinds[k.GroupKind().String()] = k
	l.objects++
	l.builder.Add(o)
}

// what names a kind as kubectl does: Rollout.argoproj.io.
func what(h head) string {
	group, version, ok := strings.Cut(h.APIVersion, "/")
	if !ok {
		group, version = "", h.APIVersion
	}
	name := h.Kind
	if group != "" {
		name += "." + group
	}
	for _, k := range cluster.Kinds() {
		if k.Group == group && k.Kind == h.Kind && k.Version != version {
			name += " in version " + version
		}
	}
	return plain(name)
}

// atLine is how the YAML parser names a line of its input.
var atLine = regexp.MustCompile(`line (\d+)`)

func yamlError(file string, d document, err error) error {
	message := plain(err.Error())
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: "} {
		message = strings.TrimPrefix(message, prefix)
	}
	message = atLine.ReplaceAllStringFunc(message, func(m string) string { // in the file, not in the document
		n, _ := strconv.Atoi(strings.TrimPrefix(m, "line "))
		return fmt.Sprintf("line %d", d.line+max(n-1, 0))
	})
	hint := "mend it, or leave the file out"
	if bytes.Contains(d.text, []byte("{{")) {
		hint = "it looks like a template: render it first, with helm template or the like"
	}
	return &Error{File: file, Line: d.line, Message: "not YAML: " + message, Hint: hint, Err: err}
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

// plain makes one short line of text from a file.
func plain(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)), " ")
	const limit = 300
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
