package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	maxFileBytes   = 64 << 20
	maxFolderBytes = 512 << 20
	maxFiles       = 10_000
)

// Load reads one file, or all .yaml, .yml and .json files of a folder and the folders in
// it. The error of a bad document names its file and line.
func Load(path string, r cluster.Redactor) (*cluster.Snapshot, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	l := newLoader(r)
	if info.IsDir() {
		err = l.folder(path)
	} else {
		err = l.file(path)
	}
	if err != nil {
		return nil, err
	}
	return l.snapshot()
}

// Read reads a stream, such as the output of kubectl.
func Read(in io.Reader, r cluster.Redactor) (*cluster.Snapshot, error) {
	l := newLoader(r)
	if err := l.stream("standard input", in); err != nil {
		return nil, err
	}
	return l.snapshot()
}

// loader gathers the documents of all files.
type loader struct {
	b       *cluster.Builder
	kinds   map[string]cluster.Kind // those that the input holds
	objects int
	skipped int // objects of kinds that a Snapshot does not hold
}

func newLoader(r cluster.Redactor) *loader {
	l := &loader{b: cluster.NewBuilder(cluster.Info{}), kinds: map[string]cluster.Kind{}}
	l.b.Redactor = r
	return l
}

func (l *loader) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return l.stream(filepath.Base(path), f)
}

// folder reads below root alone: os.Root refuses every way out, symbolic links included.
func (l *loader) folder(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	files, total := 0, int64(0)
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir // .git and the like
		}
		if !d.Type().IsRegular() || !manifest(name) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		total += info.Size()
		if files > maxFiles || total > maxFolderBytes {
			return fmt.Errorf("the folder holds more than %d files or %d MiB: name a smaller one", maxFiles, maxFolderBytes>>20)
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return l.stream(name, f)
	})
}

func manifest(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func (l *loader) stream(name string, in io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(in, maxFileBytes+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case len(data) > maxFileBytes:
		return fmt.Errorf("%s is larger than %d MiB: make a capture of the cluster in its place (fathom capture)", name, maxFileBytes>>20)
	case bytes.IndexByte(data, 0) >= 0:
		return fmt.Errorf("%s is neither YAML nor JSON: it holds binary data", name)
	}
	for _, doc := range documents(data) {
		if err := l.document(doc.text); err != nil {
			return fmt.Errorf("%s: document at line %d: %w", name, doc.line, err)
		}
	}
	return nil
}

// snapshot builds the result. Input without a single object that Fathom knows is an
// error: an empty answer would read as "no problem".
func (l *loader) snapshot() (*cluster.Snapshot, error) {
	if l.objects == 0 {
		if l.skipped > 0 {
			return nil, fmt.Errorf("of %d objects none is of a kind that fathom reads", l.skipped)
		}
		return nil, errors.New("it holds no Kubernetes objects: give YAML or JSON manifests, the output of kubectl get -o yaml, or a capture")
	}
	for _, k := range l.kinds {
		l.b.AddAccess(cluster.Access{
			Group: k.Group, Kind: k.Kind, State: cluster.Partial,
			Why: "the input may not hold all of them",
		})
	}
	return l.b.Build(), nil
}
