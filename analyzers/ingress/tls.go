package ingress

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// DefaultCert finds Ingresses whose certificate the controller cannot use.
var DefaultCert = &analyzers.Analyzer{
	Name: "ingress/default-cert",
	Doc: `Ingresses whose TLS Secret is missing or unusable, or does not cover the host

The controller then serves its default certificate, with ingress-nginx the one named
"Kubernetes Ingress Controller Fake Certificate". A Certificate of cert-manager that is
still being issued is given time. Of a live cluster only the names of Secrets are read.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses, cluster.Secrets, cluster.Certificates},
	Emits: []analyzers.Code{defaultCert},
	Run:   defaultCerts,
}

// issueTime is what cert-manager may take to have a certificate issued.
const issueTime = 5 * time.Minute

func defaultCerts(p *analyzers.Pass) error {
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		c := classOf(p.Snapshot, in)
		// An AWS load balancer takes its certificates from ACM by host.
		if in.DeletionTimestamp != nil || c.controller == awsController || c.controller == eksController {
			continue
		}
		for i, tls := range in.Spec.TLS {
			// Without a name the controller serves its own default, as is meant.
			if tls.SecretName == "" {
				continue
			}
			secret, ok := cluster.Find[*cluster.Secret](p.Snapshot, in.Namespace, tls.SecretName)
			switch {
			case ok:
				judgeSecret(p, in, i, secret)
			case p.Sees(cluster.Secrets, in.Namespace):
				reportNoSecret(p, in, i)
			}
		}
		judgeHosts(p, in, c)
	}
	return nil
}

func field(i int) string { return fmt.Sprintf("spec.tls[%d].secretName", i) }

func reportNoSecret(p *analyzers.Pass, in *networkingv1.Ingress, i int) {
	name := in.Spec.TLS[i].SecretName
	f := analyzers.Finding{
		Code:     defaultCert,
		Subject:  cluster.RefOf(in),
		Part:     name,
		Summary:  fmt.Sprintf("TLS Secret %s of %s does not exist: users get the controller's default certificate", name, hostsText(in, i)),
		Evidence: []analyzers.Evidence{on(in, field(i), "secretName: "+name)},
		CausedBy: []analyzers.Ref{{APIVersion: "v1", Kind: "Secret", Namespace: in.Namespace, Name: name}},
		Shared:   fmt.Sprintf("TLS Secret %s/%s does not exist", in.Namespace, name),
		Fixes: []analyzers.Fix{{
			Why:  "Create the Secret from a certificate and its key",
			Argv: p.Kubectl(in.Namespace, "create", "secret", "tls", name, "--cert", "<file>", "--key", "<file>"),
		}},
	}
	cert, made := certificateFor(p.Snapshot, in.Namespace, name)
	issuer := issuerOf(in)
	switch {
	case made && p.Since(cert.GetCreationTimestamp().Time) < issueTime:
		return // being issued, or a manifest
	case made:
		f.Summary = fmt.Sprintf("TLS Secret %s of %s does not exist: cert-manager's Certificate %s has not been issued", name, hostsText(in, i), cert.GetName())
		f.Evidence = append(f.Evidence, on(cert, "spec.secretName", "secretName: "+name))
		f.CausedBy = []analyzers.Ref{cluster.RefOf(cert)}
		f.Shared = fmt.Sprintf("Certificate %s/%s has not been issued", cert.GetNamespace(), cert.GetName())
		f.Fixes = []analyzers.Fix{{Why: "Show why the Certificate is not issued", Argv: p.Kubectl(in.Namespace, "describe", "certificate", cert.GetName())}}
	case issuer != "" && (p.Since(in.CreationTimestamp.Time) < issueTime || in.CreationTimestamp.IsZero()):
		return // cert-manager is to make it
	case issuer != "":
		f.Summary = fmt.Sprintf("TLS Secret %s does not exist, and no Certificate was made for annotation %s", name, issuer)
		f.Evidence = append(f.Evidence, on(in, "metadata.annotations["+issuer+"]", in.Annotations[issuer]))
		f.Fixes = []analyzers.Fix{{Why: "Show what cert-manager says of the Ingress", Argv: p.Kubectl(in.Namespace, "describe", "ingress", in.Name)}}
	case in.CreationTimestamp.IsZero():
		return // manifests rarely hold the Secret
	default:
		meantSecret(p, in, i, &f)
	}
	p.Report(f)
}

// meantSecret looks for the Secret under a near name and in other namespaces.
func meantSecret(p *analyzers.Pass, in *networkingv1.Ingress, i int, f *analyzers.Finding) {
	name := in.Spec.TLS[i].SecretName
	var names []string
	for secret := range cluster.In[*cluster.Secret](p.Snapshot, in.Namespace) {
		if secret.Type == "" || secret.Type == corev1.SecretTypeTLS {
			names = append(names, secret.Name)
		}
	}
	if near, ok := analyzers.Nearest(name, names); ok {
		f.Summary = fmt.Sprintf("TLS Secret %s of %s does not exist; %s was probably meant", name, hostsText(in, i), near)
		secret, _ := cluster.Find[*cluster.Secret](p.Snapshot, in.Namespace, near)
		f.Evidence = append(f.Evidence, on(secret, "metadata.name", near))
		tls := slices.Clone(in.Spec.TLS) // a list that a patch replaces as a whole
		tls[i].SecretName = near
		data, _ := json.Marshal(map[string]any{"spec": map[string]any{"tls": tls}})
		f.Fixes = append([]analyzers.Fix{{
			Why:   "Name the Secret that exists",
			Argv:  p.Kubectl(in.Namespace, "patch", "ingress", in.Name, "--type", "strategic", "-p", string(data)),
			Patch: &analyzers.Patch{Target: cluster.RefOf(in), Data: data},
		}}, f.Fixes...)
		return
	}
	var other *cluster.Secret
	for secret := range cluster.All[*cluster.Secret](p.Snapshot) {
		if secret.Name != name {
			continue
		}
		if other != nil {
			return
		}
		other = secret
	}
	if other != nil {
		f.Summary = fmt.Sprintf("TLS Secret %s of %s is in namespace %s: an Ingress only reads its own namespace's", name, hostsText(in, i), other.Namespace)
		f.Evidence = append(f.Evidence, on(other, "metadata.namespace", other.Namespace))
	}
}

// judgeSecret judges a Secret by what a manifest tells: key names, and the type. An Opaque
// Secret with both keys serves well (kubernetes/ingress-nginx internal/ingress/controller/
// store/backend_ssl.go, getPemCertificate looks at the keys alone).
func judgeSecret(p *analyzers.Pass, in *networkingv1.Ingress, i int, secret *cluster.Secret) {
	f := analyzers.Finding{
		Code:    defaultCert,
		Subject: cluster.RefOf(in),
		Part:    secret.Name,
		Evidence: []analyzers.Evidence{
			on(in, field(i), "secretName: "+secret.Name),
		},
	}
	var lacks []string
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if !slices.Contains(secret.Keys, key) {
			lacks = append(lacks, key)
		}
	}
	switch {
	case secret.Type == corev1.SecretTypeTLS:
		return // the API server saw to the keys
	case len(secret.Keys) > 0 && len(lacks) > 0:
		f.Summary = fmt.Sprintf("TLS Secret %s of %s has no key %s, only %s", secret.Name, hostsText(in, i), strings.Join(lacks, " and "), strings.Join(secret.Keys[:min(3, len(secret.Keys))], ", "))
		f.Evidence = append(f.Evidence, on(secret, "data", strings.Join(secret.Keys, ", ")))
	case secret.Type != "" && secret.Type != corev1.SecretTypeOpaque:
		f.Summary = fmt.Sprintf("TLS Secret %s of %s is of type %s, which holds no certificate", secret.Name, hostsText(in, i), secret.Type)
		f.Evidence = append(f.Evidence, on(secret, "type", string(secret.Type)))
	default:
		return
	}
	f.Fixes = []analyzers.Fix{{
		Why:  "Create a Secret of type kubernetes.io/tls, and name it in the Ingress",
		Argv: p.Kubectl(in.Namespace, "create", "secret", "tls", secret.Name+"-tls", "--cert", "<file>", "--key", "<file>"),
	}}
	p.Report(f)
}

// judgeHosts finds a host of the rules that no entry of spec.tls names, when another one
// there is spelt almost like it. A host that is served without TLS on purpose stands
// beside others like that, so no more is concluded from its absence.
func judgeHosts(p *analyzers.Pass, in *networkingv1.Ingress, c class) {
	var named []string
	for _, tls := range in.Spec.TLS {
		named = append(named, tls.Hosts...)
		if len(tls.Hosts) == 0 {
			return // the whole Ingress
		}
	}
	var ruled []string
	for _, rule := range in.Spec.Rules {
		ruled = append(ruled, rule.Host)
	}
	for _, host := range ruled {
		if host == "" || slices.ContainsFunc(named, func(n string) bool { return covers(n, host) }) || coveredElsewhere(p.Snapshot, c, host) {
			continue
		}
		// A slip leaves its entry in spec.tls without any rule.
		idle := slices.DeleteFunc(slices.Clone(named), func(n string) bool {
			return slices.ContainsFunc(ruled, func(h string) bool { return covers(n, h) })
		})
		near, ok := analyzers.Nearest(host, idle)
		if !ok {
			continue
		}
		p.Report(analyzers.Finding{
			Code:     defaultCert,
			Subject:  cluster.RefOf(in),
			Part:     host,
			Summary:  fmt.Sprintf("Host %s has no certificate: spec.tls names %s, which no rule has", host, near),
			Evidence: []analyzers.Evidence{on(in, "spec.tls[*].hosts", near), on(in, "spec.rules[*].host", host)},
			Fixes:    []analyzers.Fix{{Why: "Write the host alike in spec.rules and spec.tls", Argv: p.Kubectl(in.Namespace, "edit", "ingress", in.Name)}},
		})
	}
}

// covers reports whether a host of spec.tls stands for a host: itself, or as a wildcard
// for its first label.
func covers(named, host string) bool {
	if strings.EqualFold(named, host) {
		return true
	}
	_, domain, _ := strings.Cut(host, ".")
	return strings.HasPrefix(named, "*.") && strings.EqualFold(named[2:], domain)
}

func coveredElsewhere(s *cluster.Snapshot, c class, host string) bool {
	for _, other := range ofClass(s, c) {
		for _, tls := range other.Spec.TLS {
			if slices.ContainsFunc(tls.Hosts, func(n string) bool { return covers(n, host) }) {
				return true
			}
		}
	}
	return false
}

// certificateFor finds cert-manager's Certificate that is to fill a Secret.
func certificateFor(s *cluster.Snapshot, namespace, secret string) (cluster.Object, bool) {
	type certificate struct {
		Spec struct {
			SecretName string `json:"secretName"`
		} `json:"spec"`
	}
	key := namespace + "/" + secret
	o, ok := cluster.Derive(s, "ingress.certificates", func() map[string]cluster.Object {
		out := map[string]cluster.Object{}
		for o := range cluster.Of(s, cluster.Certificates) {
			if c, err := cluster.As[certificate](o); err == nil {
				out[o.GetNamespace()+"/"+c.Spec.SecretName] = o
			}
		}
		return out
	})[key]
	return o, ok
}

// issuerOf names the annotation that asks cert-manager for a Certificate
// (cert-manager.io/docs/usage/ingress).
func issuerOf(in *networkingv1.Ingress) string {
	for _, key := range []string{"cert-manager.io/cluster-issuer", "cert-manager.io/issuer", "kubernetes.io/tls-acme"} {
		if v := in.Annotations[key]; v != "" && v != "false" {
			return key
		}
	}
	return ""
}

func hostsText(in *networkingv1.Ingress, i int) string {
	hosts := in.Spec.TLS[i].Hosts
	switch len(hosts) {
	case 0:
		return "the Ingress"
	case 1:
		return hosts[0]
	}
	return fmt.Sprintf("%s and %d more", hosts[0], len(hosts)-1)
}
