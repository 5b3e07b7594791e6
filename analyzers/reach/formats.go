package reach

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A document is the public form of an Answer.
type document struct {
	Kind string `json:"kind"`
	From string `json:"from"`
	To   string `json:"to"`
	Answer
}

// JSON writes the answer as indented JSON.
func (a Answer) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(document{"Reach", a.From.String(), a.To.String(), a})
}

// YAML writes the same as JSON, as YAML.
func (a Answer) YAML(w io.Writer) error {
	data, err := yaml.Marshal(document{"Reach", a.From.String(), a.To.String(), a})
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// Best is the change that mends a side: what undoes a slip comes before a rule to add. It
// is nil when nothing is to be changed or nobody can know what.
func (side *Side) Best() *Fix {
	for _, n := range side.Near {
		if n.Fix != nil {
			return n.Fix
		}
	}
	return side.Missing
}

// Fixes are the changes after which the connection is allowed, at most one to a policy: a
// patch replaces a whole list, so a second one for another port would undo the first. more
// says that some were left out; the answer after these changes tells them.
func (a Answer) Fixes() (out []*Fix, more bool) {
	for _, h := range a.Hops {
		for _, side := range h.Denies() {
			fix := side.Best()
			if fix == nil {
				continue
			}
			i := slices.IndexFunc(out, func(f *Fix) bool { return f.Target == fix.Target })
			switch {
			case i < 0:
				out = append(out, fix)
			case out[i].New != nil && fix.New != nil:
				out[i] = out[i].with(fix)
			default:
				more = more || out[i].Why != fix.Why
			}
		}
	}
	return out, more
}

// with adds the rules of another new policy of the same name.
func (f *Fix) with(other *Fix) *Fix {
	both := *f
	both.New = f.New.DeepCopy()
	for _, r := range other.New.Spec.Ingress {
		if !slices.ContainsFunc(both.New.Spec.Ingress, func(x networkingv1.NetworkPolicyIngressRule) bool { return equality.Semantic.DeepEqual(x, r) }) {
			both.New.Spec.Ingress = append(both.New.Spec.Ingress, r)
		}
	}
	for _, r := range other.New.Spec.Egress {
		if !slices.ContainsFunc(both.New.Spec.Egress, func(x networkingv1.NetworkPolicyEgressRule) bool { return equality.Semantic.DeepEqual(x, r) }) {
			both.New.Spec.Egress = append(both.New.Spec.Egress, r)
		}
	}
	return &both
}

// Policies writes the policies as they have to be, ready for kubectl apply.
func (a Answer) Policies(w io.Writer, s *cluster.Snapshot) error {
	var out bytes.Buffer
	fixes, _ := a.Fixes()
	for _, fix := range fixes {
		data, err := fix.Manifest(s)
		if err != nil {
			return err
		}
		if out.Len() > 0 {
			out.WriteString("---\n")
		}
		out.Write(data)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// Manifest is the policy as it has to be, in YAML.
func (f *Fix) Manifest(s *cluster.Snapshot) ([]byte, error) {
	policy := f.New
	if policy == nil {
		after, err := s.With(f.Target, f.Patch)
		if err != nil {
			return nil, err
		}
		changed, ok := cluster.Find[*networkingv1.NetworkPolicy](after, f.Target.Namespace, f.Target.Name)
		if !ok {
			return nil, fmt.Errorf("%s is not there", f.Target)
		}
		policy = &networkingv1.NetworkPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
			ObjectMeta: metav1.ObjectMeta{Namespace: changed.Namespace, Name: changed.Name, Labels: changed.Labels, Annotations: changed.Annotations},
			Spec:       changed.Spec,
		}
	}
	return yaml.Marshal(policy)
}
