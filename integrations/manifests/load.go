package manifests

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	maxFileBytes   = 64 << 20
	maxFolderBytes = 512 << 20
	maxFiles       = 10_000
)

// Options say how to read.
type Options struct {
	Stdin    io.Reader        // what the path "-" reads
	Redactor cluster.Redactor // masks secrets before anybody sees the objects
	// Namespace is given to objects that name none, as `kubectl apply -n` does; empty
	// means "default".
	Namespace string
}

// Stats tell what was read.
type Stats struct {
	Files   int
	Objects int       // taken
	Skipped []Skipped // not taken, the most frequent first
}

// Skipped is something that a Snapshot does not hold.
type Skipped struct {
	What  string // "Application.argoproj.io", "file without Kubernetes objects"
	Count int
}

// An Error is an input that cannot be used, with the next step to take.
type Error struct {
	File    string
	Line    int // of the document's first line; 0 when it is about the whole file
	Message string
	Hint    string
	Err     error
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s: document at line %d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s: %s", e.File, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// Load reads a file, or all .yaml, .yml and .json files of a folder and the folders in
// it, hidden ones left out, or, for "-", standard input.
func Load(path string, opts Options) (*cluster.Snapshot, Stats, error) {
	l := newLoader(opts)
	name := path
	var err error
	switch {
	case path != "-":
		err = l.path(path)
	case opts.Stdin == nil:
		name, err = "standard input", &Error{File: "standard input", Message: "there is none", Hint: "give a file or a folder"}
	default:
		name = "standard input"
		err = l.stream(name, opts.Stdin)
	}
	return l.result(name, err)
}

func newLoader(opts Options) *loader {
	l := &loader{builder: cluster.NewBuilder(cluster.Info{}), namespace: opts.Namespace, kinds: map[string]cluster.Kind{}, skipped: map[string]int{}, left: maxFolderBytes}
	l.builder.Redactor = opts.Redactor
	if l.namespace == "" {
		l.namespace = "default"
	}
	return l
}

// result builds the Snapshot. Input without a single object that it can hold is an error:
// an empty answer would read as "no problem".
func (l *loader) result(name string, err error) (*cluster.Snapshot, Stats, error) {
	if err == nil && l.objects == 0 {
		err = l.nothing(name)
	}
	if err != nil {
		return nil, l.stats(), err
	}
	for _, k := range l.kinds {
		l.builder.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Partial, Why: "the input may not hold all of them"})
	}
	return l.builder.Build(), l.stats(), nil
}

// A loader gathers the documents of all files.
type loader struct {
	builder   *cluster.Builder
	namespace string                  // of objects that name none
	kinds     map[string]cluster.Kind // those that the input holds
	skipped   map[string]int
	walking   bool // a folder, which may hold files that are no manifests
	files     int
	objects   int
	left      int64 // bytes that may still be read
}

func (l *loader) path(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fileError(name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fileError(name, err)
	}
	if info.IsDir() {
		return l.folder(name)
	}
	return l.stream(name, f) // which may be a pipe: <(helm template .)
}

func fileError(name string, err error) *Error {
	hint := "check the path"
	if errors.Is(err, fs.ErrPermission) {
		hint = "check who may read it"
	}
	var p *fs.PathError
	text := err.Error()
	if errors.As(err, &p) {
		text = p.Err.Error()
	}
	return &Error{File: name, Message: text, Hint: hint, Err: err}
}

// folder reads through an os.Root: no symbolic link leads out of it, not even one that is
// put there while it is read.
func (l *loader) folder(name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return fileError(name, err)
	}
	defer func() { _ = root.Close() }()
	l.walking = true
	return fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		full := filepath.Join(name, filepath.FromSlash(p))
		switch {
		case err != nil:
			return fileError(full, err)
		case d.IsDir():
			if p != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir // .git and the like
			}
			return nil
		}
		if err := template(full, d.Name()); err != nil {
			return err
		}
		if !manifest(d.Name()) {
			return nil
		}
		// Stat follows a link within the folder, as a mounted ConfigMap has them, and
		// fails for one that leads out of it.
		info, err := root.Stat(filepath.FromSlash(p))
		if err != nil || !info.Mode().IsRegular() {
			l.skipped["link that leads nowhere, or special file"]++
			return nil
		}
		if l.files == maxFiles {
			return &Error{File: name, Message: fmt.Sprintf("the folder holds more than %d files", maxFiles), Hint: "name a smaller one"}
		}
		f, err := root.Open(filepath.FromSlash(p))
		if err != nil {
			return fileError(full, err)
		}
		defer f.Close()
		return l.stream(full, f)
	})
}

func manifest(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// template refuses what only looks like manifests: the patches of a kustomization and the
// templates of a chart, taken as they stand, would give findings about objects that never
// exist.
func template(full, name string) error {
	dir := filepath.Dir(full)
	switch name {
	case "kustomization.yaml", "kustomization.yml", "Kustomization":
		return &Error{File: full, Message: "the folder is a kustomization", Hint: fmt.Sprintf("render it first: kubectl kustomize %s > rendered.yaml", dir)}
	case "Chart.yaml":
		return &Error{File: full, Message: "the folder is a Helm chart", Hint: fmt.Sprintf("render it first: helm template %s > rendered.yaml", dir)}
	}
	return nil
}

func (l *loader) stream(name string, in io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(in, maxFileBytes+1))
	if err != nil {
		return fileError(name, err)
	}
	if len(data) > maxFileBytes {
		return &Error{File: name, Message: fmt.Sprintf("it is larger than %d MiB", maxFileBytes>>20), Hint: "make a capture of the cluster in its place: fathom capture"}
	}
	if l.left -= int64(len(data)); l.left < 0 {
		return &Error{File: name, Message: fmt.Sprintf("with it the folder holds more than %d MiB", maxFolderBytes>>20), Hint: "name a smaller one"}
	}
	l.files++
	text, err := decodeText(data)
	if err != nil {
		return &Error{File: name, Message: err.Error(), Hint: "give YAML or JSON, as kubectl get -o yaml writes it", Err: err}
	}
	for doc := range documents(text) {
		if err := l.document(name, doc); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) nothing(name string) error {
	e := &Error{File: name, Message: "it holds no Kubernetes objects", Hint: "give manifests, the output of kubectl get -o yaml, or a capture"}
	if s := l.stats().Skipped; len(s) > 0 {
		e.Message = fmt.Sprintf("it holds nothing that fathom reads, but %d × %s", s[0].Count, s[0].What)
	}
	return e
}

func (l *loader) stats() Stats {
	s := Stats{Files: l.files, Objects: l.objects}
	for what, n := range l.skipped {
		s.Skipped = append(s.Skipped, Skipped{What: what, Count: n})
	}
	slices.SortFunc(s.Skipped, func(a, b Skipped) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.What, b.What)) })
	return s
}
