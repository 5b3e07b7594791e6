package manifests

import (
	"bytes"
	"errors"
	"fmt"

	yamlv3 "go.yaml.in/yaml/v3"
)

// maxExpanded is how large a document may get when its aliases are written out.
const maxExpanded = 64 << 20

// hasAnchor reports whether a text may hold an anchor; most have none, and need no closer
// look.
func hasAnchor(text []byte) bool {
	for at := 0; ; at++ {
		i := bytes.IndexByte(text[at:], '&')
		if i < 0 {
			return false
		}
		at += i
		before := at == 0 || bytes.IndexByte([]byte(" \t\r\n,[{:-"), text[at-1]) >= 0
		if before && at+1 < len(text) && bytes.IndexByte([]byte(" \t\r\n,[]{}"), text[at+1]) < 0 {
			return true
		}
	}
}

var (
	errExpands = errors.New("its YAML aliases write out to more than 64 MiB")
	errCycle   = errors.New("a YAML alias stands inside of what it repeats")
)

// expansion refuses a document that its aliases blow up. The parser has a limit of its own
// for this, but it counts nodes: a long string that is repeated a hundred thousand times
// passes it and takes all memory when it is written out.
func expansion(text []byte) error {
	if bytes.IndexByte(text, '*') < 0 || !hasAnchor(text) {
		return nil
	}
	var root yamlv3.Node
	if err := yamlv3.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("not YAML: %s", plain(err.Error())) // whatever the converter thinks of it
	}
	m := measure{sizes: map[*yamlv3.Node]int{}}
	if n := m.size(&root); m.cycle {
		return errCycle
	} else if n > maxExpanded {
		return errExpands
	}
	return nil
}

type measure struct {
	sizes map[*yamlv3.Node]int // of anchors; -1 while being measured
	cycle bool
}

// size is the length of a node as JSON, near enough, and never more than a little over
// maxExpanded.
func (m *measure) size(n *yamlv3.Node) int {
	if n.Kind == yamlv3.AliasNode {
		if n.Alias == nil {
			return 0
		}
		if m.sizes[n.Alias] == -1 {
			m.cycle = true
			return 0
		}
		n = n.Alias
	}
	if size, ok := m.sizes[n]; ok {
		return max(size, 0)
	}
	if n.Anchor != "" {
		m.sizes[n] = -1
	}
	size := len(n.Value) + 4
	for _, c := range n.Content {
		if size += m.size(c); size > maxExpanded {
			size = maxExpanded + 1
			break
		}
	}
	if n.Anchor != "" {
		m.sizes[n] = size
	}
	return size
}
