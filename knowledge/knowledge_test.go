package knowledge

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func all(t *testing.T) []Page {
	t.Helper()
	pages, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) == 0 {
		t.Fatal("there are no pages")
	}
	return pages
}

func eachPage(t *testing.T, check func(t *testing.T, p Page)) {
	t.Helper()
	for _, p := range all(t) {
		t.Run(p.ID, func(t *testing.T) { check(t, p) })
	}
}

var kebab = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func TestFrontMatter(t *testing.T) {
	eachPage(t, func(t *testing.T, p Page) {
		if !kebab.MatchString(p.ID) || !kebab.MatchString(p.Group) {
			t.Errorf("id %q and group %q are to be lower-case words with hyphens", p.ID, p.Group)
		}
		if n := len([]rune(p.Title)); n == 0 || n > 80 || strings.HasSuffix(p.Title, ".") {
			t.Errorf("title has %d letters, or ends in a full stop: %q", n, p.Title)
		}
		if u, err := url.Parse(p.Docs); err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(p.Docs, " <>") {
			t.Errorf("docs is no https address: %q", p.Docs)
		}
		if len(p.Symptoms) == 0 {
			t.Error("no symptoms")
		}
		for _, s := range slices.Concat(p.Symptoms, p.ErrorStrings) {
			if strings.TrimSpace(s) == "" || strings.Contains(s, "\n") {
				t.Errorf("symptom or error string %q is empty or has several lines", s)
			}
		}
		// A code without a page yet may be named: pages are written code by code.
		for i, id := range p.Related {
			if !kebab.MatchString(id) || id == p.ID || slices.Contains(p.Related[:i], id) {
				t.Errorf("related %q is no id of another page, or is there twice", id)
			}
		}
	})
}

func TestSections(t *testing.T) {
	eachPage(t, func(t *testing.T, p Page) {
		var have []string
		content := map[string]string{}
		for _, l := range lines(p.Body) {
			if heading, ok := strings.CutPrefix(l.text, "## "); ok && l.language == "" {
				have = append(have, heading)
				continue
			}
			if len(have) == 0 {
				t.Fatalf("text before the first section: %q", l.text)
			}
			content[have[len(have)-1]] += strings.TrimSpace(l.text)
		}
		if !slices.Equal(have, Sections) {
			t.Fatalf("sections %q, want %q", have, Sections)
		}
		for _, s := range Sections {
			if content[s] == "" {
				t.Errorf("section %q is empty", s)
			}
		}
	})
}

// tools are the programs that a reader has, or finds on a node.
var tools = []string{
	"kubectl", "fathom", "helm", "crane", "docker", "kind", "minikube", "k3d", "aws", "crictl", "ctr", "systemctl", "openssl",
	"curl", "grep", "jq", "sed", "for", "do", "done",
}

// languages are those of the fences: "sh" is meant to be run.
var languages = []string{"sh", "yaml", "json", "toml", "ini", "dockerfile", "text"}

func TestCommands(t *testing.T) {
	eachPage(t, func(t *testing.T, p Page) {
		confirmed, section := false, ""
		continued := false
		for _, l := range lines(p.Body) {
			if l.language == "" {
				if heading, ok := strings.CutPrefix(l.text, "## "); ok {
					section = heading
				}
				continue
			}
			if !slices.Contains(languages, l.language) {
				t.Errorf("fence of language %q", l.language)
			}
			if l.language != "sh" || l.fence {
				continue
			}
			confirmed = confirmed || section == "Confirm"
			words := strings.Fields(l.text)
			if !continued && len(words) > 0 && !slices.Contains(tools, words[0]) {
				t.Errorf("%q does not begin with a known tool", l.text)
			}
			if strings.Count(l.text, "'")%2 != 0 {
				t.Errorf("a quote of %q is not closed", l.text)
			}
			continued = strings.HasSuffix(l.text, `\`)
		}
		if !confirmed {
			t.Error("no command confirms it")
		}
	})
}

// A line of Markdown, and the language of the fence that it is in.
type line struct {
	text     string
	language string
	fence    bool // it begins or ends one
}

// lines splits a body. A fence that is never closed has the language "unclosed".
func lines(body string) []line {
	var out []line
	language, begin := "", 0
	for text := range strings.Lines(body) {
		text = strings.TrimRight(text, "\n")
		l := line{text: text, language: language}
		if after, ok := strings.CutPrefix(strings.TrimSpace(text), "```"); ok {
			l.fence = true
			if language == "" {
				language, begin = "none", len(out)
				if after != "" {
					language = after
				}
				l.language = language
			} else {
				language = ""
			}
		}
		out = append(out, l)
	}
	if language != "" {
		out[begin].language = "unclosed"
	}
	return out
}

// private finds names of the place where a page was written.
var private = regexp.MustCompile(`(?i)(^|[\s"'(=])/(work|home|root|users|tmp/(real|brief|bash_jobs))/|failure-modes\.yaml|\bTODO\b|\bFIXME\b`)

func TestNothingPrivate(t *testing.T) {
	eachPage(t, func(t *testing.T, p Page) {
		for _, s := range slices.Concat([]string{p.Title, p.Body}, p.Symptoms, p.ErrorStrings) {
			if found := private.FindString(s); found != "" {
				t.Errorf("names %q", strings.TrimSpace(found))
			}
		}
	})
}

func TestGet(t *testing.T) {
	for _, p := range all(t) {
		if got, ok := Get(p.ID); !ok || got.Title != p.Title {
			t.Errorf("Get(%q) = %q, %v", p.ID, got.Title, ok)
		}
	}
	for _, id := range []string{"", "no-such-page", "image-not-found.md", "../knowledge"} {
		if got, ok := Get(id); ok {
			t.Errorf("Get(%q) = %q", id, got.Title)
		}
	}
}

func TestAll(t *testing.T) {
	pages := all(t)
	if !slices.IsSortedFunc(pages, func(a, b Page) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("pages are not in order")
	}
	pages[0].Title = "changed"
	if again := all(t); again[0].Title == "changed" {
		t.Error("All gives away its own slice")
	}
}

func TestNearest(t *testing.T) {
	for typo, want := range map[string]string{
		"image-not-fond":          "image-not-found",
		"imagenotfound":           "image-not-found",
		"Image-Not-Found":         "image-not-found",
		"image_pull_unauthorised": "image-pull-unauthorized",
		"svc-no-endpoint":         "svc-no-endpoints",
		"pod-oomkilled":           "pod-oomkilled-limit",
		"crash-exit-zero":         "crash-exits-zero",
		"untolerated taint":       "untolerated-taint",
		"readiness-probe-faling":  "readiness-probe-failing",
		"node-cordened":           "node-cordoned",
	} {
		if got := Nearest(typo, 3); len(got) == 0 || got[0] != want {
			t.Errorf("Nearest(%q) = %q, want %q first", typo, got, want)
		}
	}
	for _, p := range all(t) {
		if got := Nearest(p.ID, 1); len(got) != 1 || got[0] != p.ID {
			t.Errorf("Nearest(%q) = %q", p.ID, got)
		}
	}
	for _, nonsense := range []string{"", "zzqqxx", "-", "42"} {
		if got := Nearest(nonsense, 3); len(got) != 0 {
			t.Errorf("Nearest(%q) = %q, want nothing", nonsense, got)
		}
	}
	if got := Nearest("image-pull-", 2); len(got) != 2 {
		t.Errorf(`Nearest("image-pull-", 2) = %q, want two`, got)
	}
}

const page = `---
id: example
title: "A title: with a colon"
group: crash
symptoms: [one, two]
error_strings:
  - 'exec: "npm": executable file not found in $PATH'
docs: https://kubernetes.io/docs/
---
## What it means
Text.
`

func TestParse(t *testing.T) {
	p, err := Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	if p.ID != "example" || p.Title != "A title: with a colon" || len(p.Symptoms) != 2 || p.ErrorStrings[0] != `exec: "npm": executable file not found in $PATH` {
		t.Errorf("front matter is read as %+v", p)
	}
	if p.Body != "## What it means\nText.\n" {
		t.Errorf("body is %q", p.Body)
	}
}

func TestParseRejects(t *testing.T) {
	for name, text := range map[string]string{
		"empty":              "",
		"no front matter":    "## What it means\nText.\n",
		"text before it":     "\n" + page,
		"not closed":         strings.Replace(page, "\n---\n", "\n", 1),
		"unknown key":        strings.Replace(page, "group:", "severity: high\ngroup:", 1),
		"key given twice":    strings.Replace(page, "group:", "id: other\ngroup:", 1),
		"misspelled key":     strings.Replace(page, "symptoms:", "symptom:", 1),
		"list for a string":  strings.Replace(page, "group: crash", "group: [crash]", 1),
		"string for a list":  strings.Replace(page, "symptoms: [one, two]", "symptoms: one", 1),
		"colon not quoted":   strings.Replace(page, `"A title: with a colon"`, "A title: with a colon", 1),
		"Windows line ends":  strings.ReplaceAll(page, "\n", "\r\n"),
		"front matter alone": "---\nid: example\n---",
	} {
		if p, err := Parse(text); err == nil {
			t.Errorf("%s: is read as %+v", name, p)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(page)
	f.Add("---\n\n---\n")
	f.Add("---\nid: [\n---\n")
	f.Add("---\nid: a\n---\n---\nid: b\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			if p.ID != "" || p.Body != "" {
				t.Errorf("a page %+v and the error %v", p, err)
			}
			return
		}
		if p.Body != strings.TrimSpace(p.Body)+"\n" {
			t.Errorf("body is not trimmed: %q", p.Body)
		}
		if again, err := Parse(text); err != nil || again.ID != p.ID || again.Body != p.Body {
			t.Errorf("read again it is %+v, %v", again, err)
		}
	})
}

func TestNearestByWords(t *testing.T) {
	for typed, want := range map[string]string{
		"oom": "pod-oomkilled-limit", "image": "image-not-found", "svc-endpoints": "svc-no-endpoints", "crash-app-eror": "crash-app-error", "no endpoints": "svc-no-endpoints",
	} {
		if got := Nearest(typed, 8); !slices.Contains(got, want) {
			t.Errorf("Nearest(%q) = %q, want %q among them", typed, got, want)
		}
	}
}
