package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// splitFrom is the size from which a list is read item by item: the YAML parser takes
// thirty times the size of its input in memory.
const splitFrom = 1 << 20

// largeList reads a list that kubectl wrote, one item after the other. It reports false,
// having done nothing, for everything else: then the document is read as a whole.
func (l *loader) largeList(file string, d document) (bool, error) {
	if hasAnchor(d.text) {
		return false, nil
	}
	around, items := splitItems(d)
	data, bad := yaml.YAMLToJSON(around)
	var h head
	if len(items) == 0 || bad != nil || json.Unmarshal(data, &h) != nil || h.APIVersion == "" || string(h.Items) != "null" {
		return false, nil //nolint:nilerr // read as a whole it gets the better error
	}
	kind, ok := strings.CutSuffix(h.Kind, "List")
	if !ok {
		return false, nil
	}
	// Read all before any is taken: an item that is none by itself, because a string in it
	// goes on at the beginning of a line, tells that the cuts are wrong.
	values := make([][]byte, len(items))
	for i, item := range items {
		if values[i], bad = yaml.YAMLToJSON(item.text); bad != nil || !bytes.HasPrefix(values[i], []byte("{")) {
			return false, nil //nolint:nilerr // as above
		}
	}
	for i, value := range values {
		if kind != "" {
			value = withKind(value, h.APIVersion, kind)
		}
		if err := l.value(file, items[i].line, value, fmt.Sprintf("item %d: ", i), 0); err != nil {
			return true, err
		}
	}
	return true, nil
}

// splitItems cuts the sequence under the top-level key "items" into its entries. around is
// what remains, with the key.
func splitItems(d document) (around []byte, items []document) {
	inside := false
	line := d.line
	for text := range bytes.SplitAfterSeq(d.text, []byte("\n")) {
		switch {
		case bytes.Equal(bytes.TrimSpace(text), []byte("items:")) && text[0] == 'i':
			inside = true
			around = append(around, text...)
		case inside && bytes.HasPrefix(text, []byte("- ")):
			items = append(items, document{line: line, text: append([]byte("  "), text[2:]...)})
		case inside && len(items) > 0 && (len(bytes.TrimSpace(text)) == 0 || bytes.HasPrefix(text, []byte("  "))):
			items[len(items)-1].text = append(items[len(items)-1].text, text...)
		default:
			inside = false
			around = append(around, text...)
		}
		line++
	}
	return around, items
}
