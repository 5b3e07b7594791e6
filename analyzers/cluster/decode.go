package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DecodeObject reads one object from JSON. It returns nil without an error for a kind
// or version that a Snapshot does not hold. Of a Secret only names, type and key names
// are kept.
func DecodeObject(data []byte) (Object, error) {
	var tm metav1.TypeMeta
	if err := json.Unmarshal(data, &tm); err != nil {
		return nil, fmt.Errorf("read apiVersion and kind: %w", err)
	}
	k, ok := kindByGK[tm.GroupVersionKind().GroupKind()]
	version := tm.GroupVersionKind().Version
	if !ok || version != k.Version && !slices.Contains(k.Versions, version) {
		return nil, nil
	}
	o := k.New()
	if err := json.Unmarshal(data, o); err != nil {
		return nil, fmt.Errorf("read %s: %w", tm.Kind, err)
	}
	if secret, ok := o.(*Secret); ok {
		if err := secretKeys(data, secret); err != nil {
			return nil, err
		}
	}
	o.GetObjectKind().SetGroupVersionKind(tm.GroupVersionKind())
	if !k.Namespaced {
		o.SetNamespace("")
	}
	for _, s := range []string{o.GetName(), o.GetNamespace()} {
		if !plainName(s) {
			return nil, fmt.Errorf("%s has the impossible name %q", tm.Kind, s)
		}
	}
	return o, nil
}

// secretKeys takes the key names of a Secret's data; the values are never stored.
func secretKeys(data []byte, s *Secret) error {
	var raw struct {
		Data       map[string]json.RawMessage `json:"data"`
		StringData map[string]json.RawMessage `json:"stringData"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("read Secret: %w", err)
	}
	for _, m := range []map[string]json.RawMessage{raw.Data, raw.StringData} {
		for k := range m {
			s.Keys = append(s.Keys, k)
		}
	}
	slices.Sort(s.Keys)
	s.Keys = slices.Compact(s.Keys)
	return nil
}

// plainName accepts what the API server can accept as a name: no path separators, no
// control characters, at most 253 bytes (apimachinery: IsDNS1123Subdomain, with RBAC's
// and path segment names' wider set).
func plainName(s string) bool {
	return len(s) <= 253 && s != "." && s != ".." && !strings.ContainsAny(s, "/%") && strings.IndexFunc(s, unicode.IsControl) < 0
}
