package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

//go:embed templates
var templates embed.FS

// A check is what the templates are filled with.
type check struct {
	Name    string // "services/wrong-port"
	Area    string // "services"
	Fault   string // "wrong-port"
	Code    string // "svc-port-mismatch"
	Title   string // "Wrong port"
	Var     string // "WrongPort"
	Func    string // "wrongPorts"
	CodeVar string // "wrongPort"
}

var (
	areaForm = regexp.MustCompile(`^[a-z]{2,20}$`)
	nameForm = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)
)

func newCheck(name, code string) (check, error) {
	area, fault, ok := strings.Cut(name, "/")
	if !ok || !areaForm.MatchString(area) || !nameForm.MatchString(fault) {
		return check{}, fmt.Errorf("%q is no name of a check: it is AREA/FAULT in lower case, as services/wrong-port", name)
	}
	if code == "" {
		code = area + "-" + fault
	}
	if !nameForm.MatchString(code) {
		return check{}, fmt.Errorf("%q is no code: it is words in lower case with hyphens between, as svc-port-mismatch", code)
	}
	c := check{Name: name, Area: area, Fault: fault, Code: code}
	for _, word := range strings.Split(fault, "-") {
		c.Var += strings.ToUpper(word[:1]) + word[1:]
	}
	c.CodeVar = strings.ToLower(c.Var[:1]) + c.Var[1:]
	c.Func = "find" + c.Var
	c.Title = strings.ToUpper(fault[:1]) + strings.ReplaceAll(fault[1:], "-", " ")
	return c, nil
}

// write makes the files below root, the top of a checkout, and returns their paths. What
// exists is added to, never written over.
func (c check) write(root string) ([]string, error) {
	dir := filepath.Join("analyzers", c.Area)
	file := filepath.Join(dir, strings.ReplaceAll(c.Fault, "-", "")+".go")
	if _, err := os.Stat(filepath.Join(root, file)); err == nil {
		return nil, fmt.Errorf("%s exists", file)
	}
	if _, err := os.Stat(filepath.Join(root, "analyzers", "all", "all.go")); err != nil {
		return nil, errors.New("there is no analyzers/all/all.go here: run it at the top of a checkout")
	}
	var written []string
	for _, f := range []struct {
		template, path string
		add            func(old, made string) string // to a file that exists; nil keeps the file as it is
	}{
		{"check.go.tmpl", file, nil},
		{"doc.go.tmpl", filepath.Join(dir, "doc.go"), nil},
		{"codes.go.tmpl", filepath.Join(dir, "codes.go"), addCode},
		{"test.go.tmpl", strings.TrimSuffix(file, ".go") + "_test.go", nil},
		{"fixture.yaml.tmpl", filepath.Join(dir, "testdata", c.Fault, c.Fault+".yaml"), nil},
		{"page.md.tmpl", filepath.Join("knowledge", "pages", c.Code+".md"), nil},
	} {
		made, err := c.render(f.template)
		if err != nil {
			return written, err
		}
		path := filepath.Join(root, f.path)
		old, err := os.ReadFile(path)
		switch {
		case err == nil && f.add == nil:
			continue
		case err == nil:
			made = f.add(string(old), made)
		}
		if err := save(path, made); err != nil {
			return written, err
		}
		written = append(written, f.path)
	}
	list := filepath.Join("analyzers", "all", "all.go")
	old, err := os.ReadFile(filepath.Join(root, list))
	if err != nil {
		return written, err
	}
	if err := save(filepath.Join(root, list), c.listed(string(old))); err != nil {
		return written, err
	}
	return append(written, list), nil
}

func (c check) render(name string) (string, error) {
	t, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, c)
	return out.String(), err
}

// save formats what is Go and makes the folder.
func save(path, text string) error {
	data := []byte(text)
	if strings.HasSuffix(path, ".go") {
		var err error
		if data, err = format.Source(data); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// addCode puts the declaration of the made file at the end of the old one's block.
func addCode(old, made string) string {
	_, declaration, _ := strings.Cut(made, "var (\n")
	end := strings.LastIndex(old, "\n)")
	if end < 0 {
		return old + "\nvar (\n" + declaration
	}
	return old[:end+1] + strings.TrimSuffix(declaration, ")\n") + old[end+1:]
}

// listed is the list of all checks with this one in it: after the last of its area, or at
// the end, as an area of its own.
func (c check) listed(list string) string {
	entry := "\t" + c.Area + "." + c.Var + ",\n"
	if at := strings.LastIndex(list, "\t"+c.Area+"."); at >= 0 {
		end := at + strings.Index(list[at:], "\n") + 1
		return list[:end] + entry + list[end:]
	}
	const first = "\t\"github.com/kubefathom/fathom/analyzers\"\n"
	list = strings.Replace(list, first, first+"\t\"github.com/kubefathom/fathom/analyzers/"+c.Area+"\"\n", 1)
	end := strings.LastIndex(list, "}")
	return list[:end] + "\n" + entry + list[end:]
}
