package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/all"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/report"
	"github.com/kubefathom/fathom/analyzers/why"
)

type whyOptions struct {
	Input
	Output
	Kind, Name string
}

func newWhy(s *Streams) *cobra.Command {
	o := &whyOptions{}
	cmd := &cobra.Command{
		Use:   "why KIND/NAME",
		Short: "Explain one object: its journey, its chain, its fix",
		Long: `Why looks at one object. For a pod, or a workload's worst pod, it shows how far it came on
its way from the API server to taking traffic, which root cause stands behind what is
wrong with it, what changed since the last revision that was well, and how to mend it.`,
		Example: examples(
			"fathom why deploy/checkout -n shop",
			"fathom why pod/checkout-7d9f8c6b5-x2x9k -n shop -o json",
			"fathom why svc/checkout --from shop.capture",
		),
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(cmd, args); err != nil {
				return err
			}
			return runWhy(cmd, s, o)
		},
	}
	o.Input.addFlags(cmd)
	o.Output.addFlags(cmd, "error")
	return cmd
}

// parse takes KIND/NAME or KIND NAME.
func (o *whyOptions) parse(cmd *cobra.Command, args []string) error {
	kind, name, ok := strings.Cut(args[0], "/")
	if len(args) == 2 && !ok {
		kind, name, ok = args[0], args[1], true
	}
	if !ok || kind == "" || name == "" || len(args) == 2 && strings.Contains(args[0], "/") {
		return &usageError{cmd, fmt.Errorf("%q names no object: give KIND/NAME, such as deploy/web", strings.Join(args, " "))}
	}
	k, known := cluster.KindNamed(kind)
	if !known {
		return &usageError{cmd, fmt.Errorf("%q is not a kind that fathom reads", kind)}
	}
	o.Kind, o.Name = k.Kind, name
	if o.Format != "text" && o.Format != "json" && o.Format != "yaml" {
		return &usageError{cmd, fmt.Errorf("--output %q: why has text, json and yaml", o.Format)}
	}
	return o.validate(cmd)
}

func runWhy(cmd *cobra.Command, s *Streams, o *whyOptions) error {
	snap, _, err := o.load(cmd.Context(), s)
	if snap == nil {
		return err
	}
	object, ferr := findObject(snap, o.Kind, o.Name)
	if ferr != nil {
		return errors.Join(ferr, err)
	}
	ctx, cancel := finishing(cmd.Context())
	defer cancel()
	r := report.Scan(ctx, snap, all.Analyzers)
	answer := why.Explain(snap, object, r)
	if werr := why.Formats[o.Format](s.Out, answer, o.options(s)); werr != nil {
		return werr
	}
	r.Diagnoses = answer.Diagnoses
	return o.verdict(r, err)
}

// findObject looks in all namespaces of the scope: people know a name, not always where
// it is.
func findObject(s *cluster.Snapshot, kind, name string) (cluster.Object, error) {
	k, _ := cluster.KindNamed(kind)
	var found []cluster.Object
	var names []string
	for _, o := range s.Objects(k.GroupKind()) {
		if !s.InScope(o.GetNamespace()) {
			continue
		}
		names = append(names, o.GetName())
		if o.GetName() == name {
			found = append(found, o)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		var in []string
		for _, o := range found {
			in = append(in, o.GetNamespace())
		}
		return nil, withHint(fmt.Errorf("%s %s is in %d namespaces", kind, name, len(found)), "choose one with -n: %s", strings.Join(in, ", "))
	}
	return nil, notFound(s, k, name, names)
}

func notFound(s *cluster.Snapshot, k cluster.Kind, name string, names []string) error {
	err := fmt.Errorf("there is no %s %s in what was read", k.Kind, name)
	if near, ok := analyzers.Nearest(name, names); ok {
		return withHint(err, "did you mean %s/%s?", strings.ToLower(k.Kind), near)
	}
	for _, a := range s.Access(k.GroupKind()) {
		if a.State != cluster.Complete {
			return withHint(err, "%s could not be read (%s): %s", k.Resource, a.State, a.Hint)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) > 0 {
		return withHint(err, "there is: %s", strings.Join(names[:min(len(names), 8)], ", "))
	}
	return withHint(err, "there is none at all; give the namespace with -n, or all with -A")
}
