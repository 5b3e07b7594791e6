package cli

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
	"github.com/kubefathom/fathom/analyzers/report"
)

type reachOptions struct {
	Input
	Client, Server end
	Port           string
	Protocol       string
	Format, Color  string

	ask reach.Ask
}

var reachFormats = []string{"text", "json", "yaml", "policy"}

func newReach(s *Streams) *cobra.Command {
	o := &reachOptions{}
	cmd := &cobra.Command{
		Use:   "reach FROM TO",
		Short: "Tell whether network policies let one end talk to another",
		Long: `Reach follows the network policies out of FROM and into TO and says whether they let the
connection through, by which rule, or which rule is missing. A Service is followed to its
pods and their ports. An end is pod/NAME, deploy/NAME or another workload, svc/NAME,
NAMESPACE/KIND/NAME, an address, or a Service as programs name it (db.shop.svc), TO with
:PORT if you like. What depends on other kinds of policies, such as Cilium's, is not
evaluated.

Exit codes: 0 allowed, 1 denied, 2 wrong usage or input, 3 not evaluated or cluster
unreachable, 130 interrupted.`,
		Example: examples(
			"fathom reach deploy/checkout svc/db -n shop",
			"fathom reach shop/deploy/checkout db.shop.svc:5432",
			"fathom reach pod/web-7d9f8c6b5-x2x9k 10.96.0.10 --port 53 --protocol UDP -n shop",
			"fathom reach deploy/checkout svc/db -n shop -o policy",
		),
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(cmd, args); err != nil {
				return err
			}
			return runReach(cmd, s, o)
		},
	}
	o.Input.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Port, "port", "", "port of TO, by number or name (default: all that it declares)")
	f.StringVar(&o.Protocol, "protocol", "", "protocol: TCP, UDP, SCTP (default: that of the port, else TCP)")
	f.StringVarP(&o.Format, "output", "o", "text", "output format: "+strings.Join(reachFormats, ", ")+" (the policies as they would have to be)")
	f.StringVar(&o.Color, "color", "auto", "colour: "+strings.Join(colorModes, ", "))
	complete(cmd, "output", reachFormats)
	complete(cmd, "color", colorModes)
	complete(cmd, "protocol", []string{"TCP", "UDP", "SCTP"})
	return cmd
}

func (o *reachOptions) parse(cmd *cobra.Command, args []string) error {
	fail := func(format string, args ...any) error { return &usageError{cmd, fmt.Errorf(format, args...)} }
	var err error
	if o.Client, err = parseEnd(args[0]); err != nil {
		return fail("FROM: %w", err)
	}
	to := args[1]
	if host, port, ok := cutPort(to); ok {
		if o.Port != "" {
			return fail("the port is given twice: %s and --port %s", to, o.Port)
		}
		to, o.Port = host, port
	}
	if o.Server, err = parseEnd(to); err != nil {
		return fail("TO: %w", err)
	}
	if n, err := strconv.Atoi(o.Port); err == nil && n >= 1 && n <= 65535 {
		o.ask.Number = int32(n)
	} else if o.Port != "" && (err == nil || strings.ContainsAny(o.Port, " /:")) {
		return fail("--port %q is neither a port number nor a name", o.Port)
	} else {
		o.ask.Name = o.Port
	}
	protocols := []string{"", "TCP", "UDP", "SCTP"}
	i := slices.Index(protocols, strings.ToUpper(o.Protocol))
	if i < 0 {
		return fail("--protocol %q is not one of TCP, UDP, SCTP", o.Protocol)
	}
	o.ask = o.ask.By(protocols[i])
	if !slices.Contains(reachFormats, o.Format) {
		return fail("--output %q is not one of %s", o.Format, strings.Join(reachFormats, ", "))
	}
	if !slices.Contains(colorModes, o.Color) {
		return fail("--color %q is not one of %s", o.Color, strings.Join(colorModes, ", "))
	}
	// What the ends name has to be read too.
	if len(o.Kube.Namespaces) > 0 {
		for _, ns := range []string{o.Client.namespace, o.Server.namespace} {
			if ns != "" && !slices.Contains(o.Kube.Namespaces, ns) {
				o.Kube.Namespaces = append(o.Kube.Namespaces, ns)
			}
		}
	}
	return nil
}

func runReach(cmd *cobra.Command, s *Streams, o *reachOptions) error {
	scope := slices.Clone(o.Kube.Namespaces)
	snap, _, err := o.load(cmd.Context(), s)
	if snap == nil {
		return err
	}
	if errors.Is(err, errInterrupted) {
		return err
	}
	from, ferr := o.Client.find(snap, scope)
	if ferr != nil {
		return errors.Join(ferr, err)
	}
	if ns := from.Ref.Namespace; ns != "" && o.Server.namespace == "" {
		scope = []string{ns} // a bare name means what is beside the client, if it is there
		if _, ferr := o.Server.find(snap, scope); ferr != nil {
			scope = o.Kube.Namespaces
		}
	}
	to, ferr := o.Server.find(snap, scope)
	if ferr != nil {
		return errors.Join(ferr, err)
	}
	answer, perr := reach.Evaluate(snap, from, to, o.ask)
	if perr != nil {
		return withHint(perr, "name a port of it with --port, or leave it out to see all")
	}
	if err := o.write(s, snap, answer); err != nil {
		return err
	}
	switch answer.State {
	case reach.Denied:
		return errFindings
	case reach.NotEvaluated:
		return withHint(fmt.Errorf("%w: %s", errUnevaluated, answer.Why), "%s", o.nextStep(answer))
	}
	return nil
}

func (o *reachOptions) nextStep(a reach.Answer) string {
	switch {
	case strings.Contains(a.Why, "the files hold no network policy"):
		return "add those of the cluster to the files: kubectl get networkpolicies,namespaces -A -o yaml"
	case strings.Contains(a.Why, "depend on the port"):
		return "give the port with --port"
	case strings.Contains(a.Why, "not read") || strings.Contains(a.Why, "could not be read"):
		return "read more with -A, or ask for the right to list it"
	}
	return "try the connection itself: kubectl exec into the pod, or a debug container beside it"
}

func (o *reachOptions) write(s *Streams, snap *cluster.Snapshot, a reach.Answer) error {
	switch o.Format {
	case "json":
		return a.JSON(s.Out)
	case "yaml":
		return a.YAML(s.Out)
	case "policy":
		fixes, more := a.Fixes()
		switch {
		case more:
			note(s, "ask again when these are applied: there is more to allow")
		case len(fixes) == 0:
			note(s, "there is no policy to change: %s", a.Why)
		}
		return a.Policies(s.Out, snap)
	}
	page := report.NewPage(report.Options{Width: min(s.Width, 140), Color: s.useColor(o.Color)})
	writeReach(page, snap, a)
	_, err := s.Out.Write([]byte(page.String()))
	return err
}

// An end is FROM or TO as it was typed.
type end struct {
	text            string
	namespace, kind string // empty when not typed
	name            string
	ip              netip.Addr
}

// cutPort takes the port off host:port and [address]:port.
func cutPort(text string) (host, port string, ok bool) {
	if _, err := netip.ParseAddr(text); err == nil || !strings.Contains(text, ":") {
		return text, "", false
	}
	host, port, err := net.SplitHostPort(text)
	return host, port, err == nil && host != "" && port != ""
}

func parseEnd(text string) (end, error) {
	e := end{text: text}
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		e.ip = ip.Unmap()
		return e, nil
	}
	parts := strings.Split(text, "/")
	if slices.Contains(parts, "") || len(parts) > 3 {
		return e, fmt.Errorf("%q names nothing: give KIND/NAME, NAMESPACE/KIND/NAME, an address or a Service's name", text)
	}
	e.name = parts[len(parts)-1]
	switch len(parts) {
	case 3:
		e.namespace, e.kind = parts[0], parts[1]
	case 2: // KIND/NAME as kubectl has it, or NAMESPACE/NAME
		if _, ok := cluster.KindNamed(parts[0]); ok {
			e.kind = parts[0]
		} else {
			e.namespace = parts[0]
		}
	case 1: // db.shop, db.shop.svc, db.shop.svc.cluster.local
		if labels := strings.Split(text, "."); len(labels) == 2 || len(labels) > 2 && labels[2] == "svc" {
			e.name, e.namespace, e.kind = labels[0], labels[1], "service"
		} else if len(labels) > 2 {
			return e, fmt.Errorf("%q is a name that only a resolver knows: give its address", text)
		}
	}
	if e.kind != "" {
		if _, ok := cluster.KindNamed(e.kind); !ok {
			return e, fmt.Errorf("%q is not a kind that fathom reads", e.kind)
		}
	}
	return e, nil
}

// bare are the kinds that a name without one may mean, the likeliest first.
var bare = []string{"service", "pod", "deployment", "statefulset", "daemonset", "cronjob", "job"}

// find looks the end up in its namespace, else in those of the scope, else everywhere.
func (e end) find(s *cluster.Snapshot, scope []string) (reach.Endpoint, error) {
	if e.ip.IsValid() {
		return reach.OfIP(s, e.ip), nil
	}
	if e.namespace != "" {
		if !s.HasNamespace(e.namespace) {
			return reach.Endpoint{}, withHint(fmt.Errorf("there is no namespace %s in what was read", e.namespace), "leave out -n, or add -A, to look at all namespaces")
		}
		scope = []string{e.namespace}
	}
	if len(scope) > 0 {
		s = s.Narrow(scope)
	}
	kinds := []string{e.kind}
	if e.kind == "" {
		kinds = bare
	}
	var first error
	for _, kind := range kinds {
		o, err := findObject(s, kind, e.name)
		if err != nil {
			if first == nil || strings.Contains(err.Error(), "namespaces") {
				first = err
			}
			continue
		}
		if end, ok := reach.Of(s, o); ok {
			return end, nil
		}
		return reach.Endpoint{}, withHint(fmt.Errorf("%s has no pods and no address", cluster.RefOf(o)), "give a pod, a workload, a Service or an address")
	}
	return reach.Endpoint{}, first
}
