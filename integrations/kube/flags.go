package kube

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// defaultRequestTimeout bounds one request when --request-timeout does not.
const defaultRequestTimeout = 30 * time.Second

// Flags are the flags of kubectl that choose a cluster, an identity and namespaces.
type Flags struct {
	Kubeconfig string
	Context    string
	Cluster    string
	User       string
	Server     string

	As       string
	AsUID    string
	AsGroups []string

	Namespaces    []string
	AllNamespaces bool

	RequestTimeout string // as kubectl takes it: "30s", "1m", or seconds; "0" is no limit
}

// AddFlags defines the flags under kubectl's names.
func (f *Flags) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.Kubeconfig, "kubeconfig", "", "path of the kubeconfig file")
	fs.StringVar(&f.Context, "context", "", "kubeconfig context to use")
	fs.StringVar(&f.Cluster, "cluster", "", "kubeconfig cluster to use")
	fs.StringVar(&f.User, "user", "", "kubeconfig user to use")
	fs.StringVarP(&f.Server, "server", "s", "", "address and port of the Kubernetes API server")
	fs.StringVar(&f.As, "as", "", "user or service account to impersonate")
	fs.StringVar(&f.AsUID, "as-uid", "", "UID to impersonate")
	fs.StringArrayVar(&f.AsGroups, "as-group", nil, "group to impersonate; may be repeated")
	fs.StringSliceVarP(&f.Namespaces, "namespace", "n", nil, "namespaces to look at, separated by commas (default: all that may be read)")
	fs.BoolVarP(&f.AllNamespaces, "all-namespaces", "A", false, "look at all namespaces, even when --namespace is given")
	fs.StringVar(&f.RequestTimeout, "request-timeout", defaultRequestTimeout.String(), "how long to wait for one request; 0 means without limit")
}

// scope is the namespaces asked for, without doubles; empty means all.
func (f *Flags) scope() ([]string, error) {
	if f.AllNamespaces {
		return nil, nil
	}
	var out []string
	for _, ns := range f.Namespaces {
		ns = strings.TrimSpace(ns)
		if problems := validation.IsDNS1123Label(ns); len(problems) > 0 {
			return nil, &Error{
				Reason: NamespaceNotFound, Message: fmt.Sprintf("%q cannot be the name of a namespace", ns),
				Hint: "give names as `kubectl get namespaces` shows them, several separated by commas",
			}
		}
		out = append(out, ns)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (f *Flags) timeout() (time.Duration, error) {
	if f.RequestTimeout == "" {
		return defaultRequestTimeout, nil
	}
	d, err := clientcmd.ParseTimeout(f.RequestTimeout)
	if err != nil || d < 0 {
		return 0, &Error{Reason: BadConfig, Message: fmt.Sprintf("--request-timeout %q is no duration", f.RequestTimeout), Hint: "give a number with a unit, such as 30s or 2m", Err: err}
	}
	return d, nil
}

// A target is what kubeconfig and flags say together.
type target struct {
	config    *rest.Config
	context   string // empty in a cluster
	namespace string // the context's
}

// target loads the kubeconfig as kubectl does, or the service account of the pod that
// this program runs in.
func (f *Flags) target() (target, error) {
	if f.As == "" && (len(f.AsGroups) > 0 || f.AsUID != "") {
		return target{}, &Error{Reason: BadConfig, Message: "--as-group and --as-uid need --as", Hint: "add --as with the user to impersonate"}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.Kubeconfig
	rules.MigrationRules = nil // they would write a file
	rules.Warner = func(error) {}
	overrides := &clientcmd.ConfigOverrides{
		CurrentContext: f.Context,
		ClusterInfo:    clientcmdapi.Cluster{Server: f.Server},
		Context:        clientcmdapi.Context{Cluster: f.Cluster, AuthInfo: f.User},
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	raw, rawErr := loader.RawConfig()
	if rawErr != nil && !clientcmd.IsEmptyConfig(rawErr) {
		return target{}, configError(f, raw, rawErr)
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return target{}, configError(f, raw, err)
	}
	t := target{config: config, context: raw.CurrentContext}
	if f.Context != "" {
		t.context = f.Context
	}
	if t.namespace, _, err = loader.Namespace(); err != nil {
		return target{}, configError(f, raw, err)
	}
	if f.As != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: f.As, UID: f.AsUID, Groups: f.AsGroups}
	}
	config.UserAgent = "fathom"
	config.WarningHandler = rest.NoWarnings{}
	return t, nil
}

func configError(f *Flags, raw clientcmdapi.Config, err error) *Error {
	var contexts []string
	for name := range raw.Contexts {
		contexts = append(contexts, name)
	}
	slices.Sort(contexts)
	current := f.Context
	if current == "" {
		current = raw.CurrentContext
	}
	switch {
	case f.Kubeconfig != "" && errors.Is(err, os.ErrNotExist):
		return &Error{Reason: NoConfig, Message: fmt.Sprintf("the kubeconfig %q does not exist", f.Kubeconfig), Hint: "give the path of an existing file to --kubeconfig", Err: err}
	case len(contexts) > 0 && current == "":
		return &Error{Reason: NoContext, Message: "the kubeconfig names no current context", Hint: "choose one with --context: " + strings.Join(contexts, ", "), Err: err}
	case len(contexts) > 0 && raw.Contexts[current] == nil:
		hint := "choose one of: " + strings.Join(contexts, ", ")
		if like := nearest(current, contexts); like != "" {
			hint = fmt.Sprintf("did you mean --context %s?", like)
		}
		return &Error{Reason: NoContext, Message: fmt.Sprintf("the kubeconfig has no context %q", current), Hint: hint, Err: err}
	case clientcmd.IsEmptyConfig(err):
		return &Error{Reason: NoConfig, Message: "no kubeconfig was found, and this is no pod of a cluster", Hint: "give one with --kubeconfig or in KUBECONFIG", Err: err}
	}
	return &Error{Reason: BadConfig, Message: "the kubeconfig cannot be used: " + plain(err.Error()), Hint: "look at it with: kubectl config view", Err: err}
}

// nearest is the name that was probably meant, or "".
func nearest(name string, names []string) string {
	best, at := "", 3
	for _, n := range names {
		if d := distance(name, n); d < at && d < len(name) {
			best, at = n, d
		}
	}
	if best != "" || len(name) < 3 {
		return best
	}
	for _, n := range names {
		if strings.Contains(n, name) || len(n) > 3 && strings.Contains(name, n) {
			return n
		}
	}
	return ""
}

// distance is the number of letters to insert, delete, replace or swap with the next.
func distance(a, b string) int {
	var before, above []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
