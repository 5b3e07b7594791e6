package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/report"
	"github.com/kubefathom/fathom/integrations/kube"
	"github.com/kubefathom/fathom/integrations/manifests"
	"github.com/kubefathom/fathom/llm/redact"
)

// Input is where a Snapshot comes from: a cluster, or a file.
type Input struct {
	Kube kube.Flags
	From string
	// Embedded is a capture inside the program, for the demo.
	Embedded func() (*cluster.Snapshot, error)
}

func (in *Input) addFlags(cmd *cobra.Command) {
	in.Kube.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&in.From, "from", "", "read a capture file, a folder of YAML, or the output of kubectl get -o yaml (- for standard input) in place of a cluster")
}

// load returns the Snapshot. A partial one may come with an error that says why; the
// caller shows both.
func (in *Input) load(ctx context.Context, s *Streams) (*cluster.Snapshot, kube.Stats, error) {
	switch {
	case in.From != "":
		snap, err := openFile(s, in.From)
		if err != nil {
			return nil, kube.Stats{}, err
		}
		snap, err = in.narrow(snap, in.From)
		return snap, kube.Stats{}, err
	case in.Embedded != nil:
		snap, err := in.Embedded()
		if err != nil {
			return nil, kube.Stats{}, err
		}
		snap, err = in.narrow(snap, "the demo")
		return snap, kube.Stats{}, err
	}
	progress := newProgress(s)
	snap, stats, err := kube.Collect(ctx, kube.Options{Flags: in.Kube, Redactor: redact.New(), Progress: progress.update, Stderr: s.Err})
	progress.clear()
	for _, n := range stats.Notes {
		note(s, "%s", n)
	}
	if errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	return snap, stats, err
}

// narrow applies -n and -A to what a file holds.
func (in *Input) narrow(snap *cluster.Snapshot, from string) (*cluster.Snapshot, error) {
	if in.Kube.AllNamespaces || len(in.Kube.Namespaces) == 0 {
		return snap, nil
	}
	for _, ns := range in.Kube.Namespaces {
		if !snap.HasNamespace(ns) {
			return nil, withHint(fmt.Errorf("namespace %q is not in %s", ns, from), "leave out -n to see all that it holds")
		}
	}
	return snap.Narrow(in.Kube.Namespaces), nil
}

// openFile reads a capture, or anything that manifests reads.
func openFile(s *Streams, path string) (*cluster.Snapshot, error) {
	if path != "-" {
		snap, err := openCapture(path)
		if !errors.Is(err, cluster.ErrNotCapture) {
			return snap, err
		}
	}
	snap, stats, err := manifests.Load(path, manifests.Options{Stdin: s.In, Redactor: redact.New()})
	if err != nil {
		return nil, err
	}
	for _, skipped := range stats.Skipped {
		note(s, "left out %d × %s", skipped.Count, skipped.What)
	}
	return snap, nil
}

func openCapture(path string) (*cluster.Snapshot, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withHint(err, "give a capture file, a folder of YAML, or - for standard input")
	}
	if !info.Mode().IsRegular() {
		return nil, cluster.ErrNotCapture
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	snap, err := cluster.ReadCapture(f)
	if err != nil && !errors.Is(err, cluster.ErrNotCapture) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return snap, err
}

// note says on standard error what a person should know and a program need not.
func note(s *Streams, format string, args ...any) {
	fmt.Fprintf(s.Err, "note: %s\n", report.Clean(fmt.Sprintf(format, args...)))
}
