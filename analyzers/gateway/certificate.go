package gateway

import (
	"fmt"
	"time"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// issueTime is what cert-manager may take to have a certificate issued.
const issueTime = 5 * time.Minute

// A refFault is a certificate of a listener that cannot be used.
type refFault struct {
	listener string
	field    string
	to       analyzers.Ref // zero when only the status speaks
	barred   bool          // it is in another namespace that does not admit the reference
	said     condition     // zero when the controller has said nothing
}

// refFaults finds the references of listeners that lead to nothing. The controller's
// word that all is resolved is believed.
func refFaults(s *cluster.Snapshot, o cluster.Object, g gatewaySpec) []refFault {
	var out []refFault
	for i, l := range g.Spec.Listeners {
		said, refused := condition{}, false
		for _, status := range g.Status.Listeners {
			if c, ok := status.Conditions.get(o, "ResolvedRefs"); ok && status.Name == l.Name {
				said, refused = c, c.Status == "False"
			}
		}
		before := len(out)
		if l.TLS != nil && said.Status != "True" && (refused || !young(s, o, applyTime)) {
			for j, ref := range l.TLS.CertificateRefs {
				field := fmt.Sprintf("spec.listeners[%d].tls.certificateRefs[%d]", i, j)
				if fault, bad := judgeCertificate(s, o, ref); bad {
					fault.listener, fault.field, fault.said = l.Name, field, said
					out = append(out, fault)
				}
			}
		}
		if refused && len(out) == before {
			out = append(out, refFault{listener: l.Name, said: said})
		}
	}
	return out
}

func judgeCertificate(s *cluster.Snapshot, o cluster.Object, ref objectRef) (refFault, bool) {
	if value(ref.Group, "") != "" || value(ref.Kind, "Secret") != "Secret" {
		return refFault{}, false
	}
	to := analyzers.Ref{APIVersion: "v1", Kind: "Secret", Namespace: ref.namespace(o), Name: ref.Name}
	if to.Namespace != o.GetNamespace() && s.Sees(cluster.ReferenceGrants, to.Namespace) && !granted(s, o, to) {
		return refFault{to: to, barred: true}, true
	}
	_, exists := cluster.Find[*cluster.Secret](s, to.Namespace, to.Name)
	return refFault{to: to}, !exists && s.Sees(cluster.Secrets, to.Namespace)
}

func reportListenerRef(p *analyzers.Pass, o cluster.Object, fault refFault) {
	f := analyzers.Finding{
		Code:    unresolved,
		Subject: cluster.RefOf(o),
		Part:    fault.listener,
		Fixes:   []analyzers.Fix{{Why: "Show the Gateway with all its conditions", Argv: p.Kubectl(o.GetNamespace(), "describe", "gateway", o.GetName())}},
	}
	if fault.said.Type != "" {
		f.Evidence = []analyzers.Evidence{fault.said.evidence(o, "status.listeners["+fault.listener+"].conditions")}
	}
	if !fault.to.IsZero() {
		f.Evidence = append(f.Evidence, on(o, fault.field, "name: "+fault.to.Name))
	}
	cert, made := certificateFor(p.Snapshot, fault.to)
	switch {
	case fault.to.IsZero():
		f.Summary = fmt.Sprintf("Listener %s has a reference that is not resolved (%s): %s", fault.listener, fault.said.Reason, analyzers.Line(fault.said.Message, 90))
	case fault.barred:
		f.Summary = fmt.Sprintf("Certificate %s of listener %s is in another namespace, and no ReferenceGrant there admits Gateways from %s", fault.to.Name, fault.listener, o.GetNamespace())
		f.Fixes = []analyzers.Fix{grantFix(p, o, fault.to)}
	case made && young(p.Snapshot, cert, issueTime), asksIssuer(o) && young(p.Snapshot, o, issueTime):
		return // cert-manager is at work, or this is a manifest
	case manifest(o):
		return // manifests rarely hold the Secret
	case made:
		f.Summary = fmt.Sprintf("Certificate Secret %s of listener %s does not exist: cert-manager's Certificate %s has not been issued", fault.to.Name, fault.listener, cert.GetName())
		f.CausedBy = []analyzers.Ref{cluster.RefOf(cert)}
		f.Fixes = []analyzers.Fix{{Why: "Show why the Certificate is not issued", Argv: p.Kubectl(cert.GetNamespace(), "describe", "certificate", cert.GetName())}}
	default:
		f.Summary = fmt.Sprintf("Certificate Secret %s of listener %s does not exist", fault.to.Name, fault.listener)
		f.CausedBy = []analyzers.Ref{fault.to}
		f.Shared = fmt.Sprintf("Certificate Secret %s/%s does not exist", fault.to.Namespace, fault.to.Name)
		f.Fixes = []analyzers.Fix{{
			Why:  "Create the Secret from a certificate and its key",
			Argv: p.Kubectl(fault.to.Namespace, "create", "secret", "tls", fault.to.Name, "--cert", "<file>", "--key", "<file>"),
		}}
		var names []string
		for secret := range cluster.In[*cluster.Secret](p.Snapshot, fault.to.Namespace) {
			names = append(names, secret.Name)
		}
		if near, ok := analyzers.Nearest(fault.to.Name, names); ok {
			f.Summary += fmt.Sprintf("; %s was probably meant", near)
			f.Fixes = append([]analyzers.Fix{backendFix(p, o, fault.field, "name", fmt.Sprintf("%q", near), "Name the Secret that exists")}, f.Fixes...)
		}
	}
	p.Report(f)
}

// certificateFor finds cert-manager's Certificate that is to fill a Secret.
func certificateFor(s *cluster.Snapshot, secret analyzers.Ref) (cluster.Object, bool) {
	type certificate struct {
		Spec struct {
			SecretName string `json:"secretName"`
		} `json:"spec"`
	}
	for o := range cluster.Of(s, cluster.Certificates) {
		if c, err := cluster.As[certificate](o); err == nil && o.GetNamespace() == secret.Namespace && c.Spec.SecretName == secret.Name && secret.Name != "" {
			return o, true
		}
	}
	return nil, false
}

// asksIssuer reports whether a Gateway asks cert-manager for its certificates
// (cert-manager.io/docs/usage/gateway).
func asksIssuer(o cluster.Object) bool {
	a := o.GetAnnotations()
	return a["cert-manager.io/issuer"] != "" || a["cert-manager.io/cluster-issuer"] != ""
}
