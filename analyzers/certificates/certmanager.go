package certificates

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// What is read of cert-manager's objects (pkg/apis/certmanager/v1, pkg/apis/acme/v1).
type (
	condition struct {
		Type               string      `json:"type"`
		Status             string      `json:"status"`
		Reason             string      `json:"reason"`
		Message            string      `json:"message"`
		LastTransitionTime metav1.Time `json:"lastTransitionTime"`
	}
	conditions []condition
	issuerRef  struct {
		Name  string `json:"name"`
		Kind  string `json:"kind"`
		Group string `json:"group"`
	}
	certificate struct {
		Spec struct {
			SecretName string    `json:"secretName"`
			DNSNames   []string  `json:"dnsNames"`
			IssuerRef  issuerRef `json:"issuerRef"`
		} `json:"spec"`
		Status struct {
			Conditions             conditions  `json:"conditions"`
			LastFailureTime        metav1.Time `json:"lastFailureTime"`
			NotAfter               metav1.Time `json:"notAfter"`
			RenewalTime            metav1.Time `json:"renewalTime"`
			FailedIssuanceAttempts int         `json:"failedIssuanceAttempts"`
		} `json:"status"`
	}
	request struct {
		Status struct {
			Conditions conditions `json:"conditions"`
		} `json:"status"`
	}
	order struct {
		Status struct {
			State  string `json:"state"`
			Reason string `json:"reason"`
		} `json:"status"`
	}
	challenge struct {
		Spec struct {
			DNSName string `json:"dnsName"`
			Type    string `json:"type"`
		} `json:"spec"`
		Status struct {
			Presented bool   `json:"presented"`
			Reason    string `json:"reason"`
			State     string `json:"state"`
		} `json:"status"`
	}
)

const (
	managerGroup = "cert-manager.io"
	apiVersion   = managerGroup + "/v1"
)

func (cs conditions) get(kind string) (condition, bool) {
	if i := slices.IndexFunc(cs, func(c condition) bool { return c.Type == kind }); i >= 0 {
		return cs[i], true
	}
	return condition{}, false
}

// is reports whether a condition stands and says True.
func (cs conditions) is(kind string) bool {
	c, ok := cs.get(kind)
	return ok && c.Status == "True"
}

// ref is the issuer that the reference means for an object of a namespace; ok is false for
// one of another project, whose states cannot be read.
func (r issuerRef) ref(namespace string) (ref analyzers.Ref, ok bool) {
	if r.Group != "" && r.Group != managerGroup {
		return analyzers.Ref{}, false
	}
	if r.Kind == "ClusterIssuer" {
		return analyzers.Ref{APIVersion: apiVersion, Kind: r.Kind, Name: r.Name}, true
	}
	return analyzers.Ref{APIVersion: apiVersion, Kind: "Issuer", Namespace: namespace, Name: r.Name}, r.Kind == "" || r.Kind == "Issuer"
}

// An issuance is a Certificate that is not ready or being renewed, and how far it has got.
type issuance struct {
	object cluster.Object
	cert   certificate
	issuer analyzers.Ref // zero for one of another project

	requestObject cluster.Object // the newest; nil before there is one
	request       request
	orderObject   cluster.Object // of the newest request
	order         order
	challenges    []step
}

type step struct {
	object cluster.Object
	challenge
}

// kinds are what an issuance is read from.
var kinds = []schema.GroupKind{cluster.Certificates, cluster.CertificateRequests, cluster.Orders, cluster.Challenges}

// issuances are those of the scope, in order.
func issuances(p *analyzers.Pass) []issuance {
	for _, gk := range kinds {
		p.Objects(gk) // what Owned returns is of these kinds
	}
	return cluster.Derive(p.Snapshot, "certificates.issuances", func() []issuance {
		var out []issuance
		for o := range cluster.ScopedOf(p.Snapshot, cluster.Certificates) {
			c, err := cluster.As[certificate](o)
			if err != nil || o.GetDeletionTimestamp() != nil {
				continue
			}
			if ready, ok := c.Status.Conditions.get("Ready"); !ok || ready.Status == "True" && !c.Status.Conditions.is("Issuing") && c.Status.FailedIssuanceAttempts == 0 {
				continue
			}
			i := issuance{object: o, cert: c}
			i.issuer, _ = c.Spec.IssuerRef.ref(o.GetNamespace())
			i.follow(p.Snapshot)
			out = append(out, i)
		}
		return out
	})
}

// follow goes down to what the newest request has led to.
func (i *issuance) follow(s *cluster.Snapshot) {
	i.requestObject = newest(s, i.object, cluster.CertificateRequests)
	if i.requestObject == nil {
		return
	}
	i.request, _ = cluster.As[request](i.requestObject)
	i.orderObject = newest(s, i.requestObject, cluster.Orders)
	if i.orderObject == nil {
		return
	}
	i.order, _ = cluster.As[order](i.orderObject)
	for _, o := range s.Owned(i.orderObject) {
		if c, err := cluster.As[challenge](o); err == nil && kindOf(o) == cluster.Challenges && o.GetDeletionTimestamp() == nil {
			i.challenges = append(i.challenges, step{o, c})
		}
	}
}

func newest(s *cluster.Snapshot, owner cluster.Object, gk schema.GroupKind) cluster.Object {
	var last cluster.Object
	for _, o := range s.Owned(owner) {
		if kindOf(o) == gk && (last == nil || o.GetCreationTimestamp().After(last.GetCreationTimestamp().Time)) {
			last = o
		}
	}
	return last
}

func kindOf(o cluster.Object) schema.GroupKind { return cluster.RefOf(o).GroupKind() }

// valid reports whether the certificate of before still serves.
func (i issuance) valid(now time.Time) bool {
	return i.cert.Status.NotAfter.After(now) && i.cert.Status.Conditions.is("Ready")
}

// severity is that of a certificate which users miss, or one that they will miss.
func (i issuance) severity(now time.Time) analyzers.Severity {
	if i.valid(now) && i.cert.Status.NotAfter.Sub(now) > lastDay {
		return analyzers.Warning
	}
	return analyzers.Error
}

// lastDay is when a renewal that fails is no matter for another day.
const lastDay = 24 * time.Hour

// since is when this issuance began.
func (i issuance) since() time.Time {
	if c, ok := i.cert.Status.Conditions.get("Issuing"); ok && c.Status == "True" {
		return c.LastTransitionTime.Time
	}
	if i.requestObject != nil {
		return i.requestObject.GetCreationTimestamp().Time
	}
	c, _ := i.cert.Status.Conditions.get("Ready")
	return c.LastTransitionTime.Time
}
