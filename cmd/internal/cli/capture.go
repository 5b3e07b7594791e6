package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

type captureOptions struct {
	Input
	File string
}

func newCapture(s *Streams) *cobra.Command {
	o := &captureOptions{}
	cmd := &cobra.Command{
		Use:   "capture -o FILE",
		Short: "Write what a scan reads to one redacted file",
		Long: `Capture writes all that a scan reads to one compressed file, to be looked at later or
elsewhere with --from. Values of Secrets are never read; what looks like a secret in
environment variables, arguments, annotations, events and logs is masked.`,
		Example: examples(
			"fathom capture -o shop.capture -n shop",
			"fathom scan --from shop.capture",
		),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCapture(cmd, s, o) },
	}
	o.addFlags(cmd)
	cmd.Flags().StringVarP(&o.File, "output", "o", "", "file to write (- for standard output)")
	if err := cmd.MarkFlagRequired("output"); err != nil {
		panic(err)
	}
	return cmd
}

func runCapture(cmd *cobra.Command, s *Streams, o *captureOptions) error {
	snap, _, err := o.load(cmd.Context(), s)
	if snap == nil || err != nil {
		return err
	}
	if o.File == "-" {
		return cluster.WriteCapture(s.Out, snap)
	}
	if err := writeFile(o.File, func(w io.Writer) error { return cluster.WriteCapture(w, snap) }); err != nil {
		return fmt.Errorf("write %s: %w", o.File, err)
	}
	_, err = fmt.Fprintf(s.Err, "wrote %d objects to %s; look at it with: fathom scan --from %s\n", snap.Count(), o.File, o.File)
	return err
}

// writeFile writes to a file beside the target and renames it, so that a failure leaves
// no half a file. The file is for its owner alone.
func writeFile(path string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".fathom-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when all went well
	if err := write(tmp); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
