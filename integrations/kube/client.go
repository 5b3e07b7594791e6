package kube

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubeconfigs may name these ways to log in
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// A client sends GET requests to one API server. It uses client-go for what is its
// own: kubeconfig, credentials and TLS. Answers are decoded here, object by object, as
// client-go would keep several copies of a page in memory.
type client struct {
	target
	http   *http.Client
	base   *url.URL
	meter  *meter
	plugin string   // the command that gives the credentials, or ""
	flags  []string // of kubectl, for the same cluster and user

	version string // the server's, once it told
	minor   int

	buffers sync.Pool // of *bytes.Buffer
}

// buffer holds an answer while it is decoded: nothing that was decoded refers to it.
func (c *client) buffer() *bytes.Buffer {
	if b, ok := c.buffers.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

// quiet keeps client-go from writing to standard error. It is global to the process,
// as klog is.
var quiet = sync.OnceFunc(func() { klog.SetLogger(logr.Discard()) })

func connect(opts Options) (*client, error) {
	quiet()
	timeout, err := opts.Flags.timeout()
	if err != nil {
		return nil, err
	}
	t, err := opts.Flags.target()
	if err != nil {
		return nil, err
	}
	c := &client{target: t, meter: &meter{timeout: timeout, compress: !t.config.DisableCompression}, flags: opts.Flags.kubectl(t.context)}
	if c.base, _, err = rest.DefaultServerUrlFor(t.config); err != nil {
		return nil, &Error{Reason: BadConfig, Message: "the address of the API server cannot be used: " + plain(err.Error()), Hint: "check it with: " + c.kubectl("config", "view", "--minify"), Err: err}
	}
	t.config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		c.meter.next = next
		return c.meter
	})
	build := func() { c.http, err = rest.HTTPClientFor(t.config) }
	if p := t.config.ExecProvider; p != nil {
		c.plugin = p.Command
		p.StdinUnavailable = p.StdinUnavailable || opts.NoStdin
		pluginOutput.capture(build)
	} else {
		build()
	}
	if err != nil {
		return nil, &Error{Reason: BadConfig, Message: "the kubeconfig cannot be used: " + plain(err.Error()), Hint: "look at it with: " + c.kubectl("config", "view", "--minify"), Err: err}
	}
	// The credentials are added to each request on its way out: a redirect would hand
	// them to whoever it names. Kubernetes sends none.
	httpClient := *c.http
	httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &httpClient
	return c, nil
}

// kubectl is a command line for the same cluster, as the same user.
func (c *client) kubectl(args ...string) string {
	words := append(append([]string{"kubectl"}, args...), c.flags...)
	for i, w := range words {
		words[i] = quoted(w)
	}
	return strings.Join(words, " ")
}

func (f *Flags) kubectl(context string) []string {
	var out []string
	add := func(flag, value string) {
		if value != "" {
			out = append(out, flag, value)
		}
	}
	add("--kubeconfig", f.Kubeconfig)
	add("--context", context)
	add("--cluster", f.Cluster)
	add("--user", f.User)
	add("--server", f.Server)
	add("--as", f.As)
	add("--as-uid", f.AsUID)
	for _, g := range f.AsGroups {
		add("--as-group", g)
	}
	return out
}

var bare = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quoted is one word of a command line for a POSIX shell.
func quoted(word string) string {
	if bare.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// path is the address of a resource, or of an object of it.
func (c *client) path(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return fmt.Sprintf("%s/%s", strings.TrimSuffix(c.base.Path, "/"), strings.Join(parts, "/"))
}
