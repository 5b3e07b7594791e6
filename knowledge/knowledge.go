// Package knowledge holds the pages: one a failure mode, embedded, read by people
// through `fathom explain` and by everything else through Get.
package knowledge

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/agnivade/levenshtein"
	"sigs.k8s.io/yaml"
)

//go:embed pages
var files embed.FS

// A Page explains one code.
type Page struct {
	ID           string   `json:"id"`
	Title        string   `json:"title"`
	Group        string   `json:"group"`
	Symptoms     []string `json:"symptoms,omitempty"`
	ErrorStrings []string `json:"error_strings,omitempty"`
	Related      []string `json:"related,omitempty"`
	Docs         string   `json:"docs"` // the official page
	Body         string   `json:"body"` // Markdown, with the sections of Sections
}

// Sections are the headings that every page has, in this order.
var Sections = []string{"What it means", "Confirm", "Fix", "Prevent"}

var load = sync.OnceValues(func() (map[string]Page, error) {
	pages := map[string]Page{}
	names, err := fs.Glob(files, "pages/*.md")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p, err := Parse(string(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if want := strings.TrimSuffix(path.Base(name), ".md"); p.ID != want {
			return nil, fmt.Errorf("%s: its id is %q", name, p.ID)
		}
		pages[p.ID] = p
	}
	return pages, nil
})

// Parse reads a page: front matter between two lines "---", then Markdown.
func Parse(text string) (Page, error) {
	rest, ok := strings.CutPrefix(text, "---\n")
	front, body, found := strings.Cut(rest, "\n---\n")
	if !ok || !found {
		return Page{}, fmt.Errorf("no front matter between two lines ---")
	}
	var p Page
	if err := yaml.UnmarshalStrict([]byte(front), &p); err != nil {
		return Page{}, fmt.Errorf("front matter: %w", err)
	}
	p.Body = strings.TrimSpace(body) + "\n"
	return p, nil
}

// Get returns the page of a code.
func Get(id string) (Page, bool) {
	pages, err := load()
	if err != nil {
		return Page{}, false
	}
	p, ok := pages[id]
	return p, ok
}

// All returns all pages, ordered by id, or the error of the first broken one.
func All() ([]Page, error) {
	pages, err := load()
	if err != nil {
		return nil, err
	}
	out := make([]Page, 0, len(pages))
	for _, p := range pages {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Page) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// wordWorth is how many letters of difference a word in common makes up for.
const wordWorth = 4

// Nearest returns up to n ids that were probably meant: those that hold a word of what
// was typed, and those a few letters away.
func Nearest(id string, n int) []string {
	pages, err := load()
	if err != nil {
		return nil
	}
	id = strings.ToLower(id)
	words := strings.FieldsFunc(id, func(r rune) bool { return r == '-' || r == '_' || r == ' ' })
	words = slices.DeleteFunc(words, func(w string) bool { return len(w) < 3 }) // "no", "of"
	type match struct {
		id       string
		words    int // of what was typed that the id holds
		distance int
	}
	var found []match
	for have := range pages {
		m := match{id: have, distance: levenshtein.ComputeDistance(id, have)}
		for _, w := range words {
			if strings.Contains(have, w) {
				m.words++
			}
		}
		if m.words > 0 && m.words*2 > len(words) || m.distance*3 <= len(id) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.distance-wordWorth*a.words, b.distance-wordWorth*b.words), strings.Compare(a.id, b.id))
	})
	out := []string{}
	for _, m := range found[:min(n, len(found))] {
		out = append(out, m.id)
	}
	return out
}
