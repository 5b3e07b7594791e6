package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/analyzers/all"
)

func newAnalyzers(s *Streams) *cobra.Command {
	return &cobra.Command{
		Use:     "analyzers",
		Short:   "List the checks, the codes they emit, and what no check can decide",
		Example: examples("fathom analyzers", "fathom analyzers | grep scheduling"),
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return writeAnalyzers(s.Out) },
	}
}

func writeAnalyzers(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHECK\tFINDS\tCODES")
	for _, a := range all.Analyzers {
		doc, _, _ := strings.Cut(a.Doc, "\n")
		codes := make([]string, len(a.Emits))
		for i, c := range a.Emits {
			codes[i] = c.ID
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", a.Name, doc, strings.Join(codes, ", "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nNOT DECIDED\tWHY")
	for _, u := range all.Undecided {
		fmt.Fprintf(w, "%s\t%s\n", u.Code, u.Why)
	}
	return w.Flush()
}
