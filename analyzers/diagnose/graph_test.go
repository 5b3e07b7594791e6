package diagnose

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

func load(t *testing.T, text string) *cluster.Snapshot {
	t.Helper()
	b := cluster.NewBuilder(cluster.Info{})
	for doc := range strings.SplitSeq(text, "\n---\n") {
		data, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		o, err := cluster.DecodeObject(data)
		if err != nil || o == nil {
			t.Fatalf("%v: %s", err, doc)
		}
		b.Add(o)
	}
	return b.Build()
}

// Each edge that a field of an object tells, and no other.
func TestDependsOn(t *testing.T) {
	for name, tc := range map[string]struct {
		object string
		want   []string
	}{
		"ingress": {`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {namespace: shop, name: x}, spec: {tls: [{secretName: cert}], rules: [{http: {paths: [{path: /, backend: {service: {name: web}}}]}}]}}`,
			[]string{"Service shop/web", "Secret shop/cert"}},
		"route": {`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {namespace: shop, name: x}, spec: {parentRefs: [{name: edge, namespace: infra}], rules: [{backendRefs: [{name: web}, {name: pay, namespace: bank}, {group: example.com, kind: Bucket, name: static}]}]}}`,
			[]string{"Service shop/web", "Service bank/pay", "Gateway infra/edge"}},
		"gateway": {`{apiVersion: gateway.networking.k8s.io/v1beta1, kind: Gateway, metadata: {namespace: infra, name: x}, spec: {gatewayClassName: fast, listeners: [{tls: {certificateRefs: [{name: cert}]}}]}}`,
			[]string{"GatewayClass fast", "Secret infra/cert"}},
		"certificate": {`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {namespace: shop, name: x}, spec: {secretName: cert, issuerRef: {name: ca}}}`,
			[]string{"Issuer shop/ca"}},
		"certificate of the cluster's issuer": {`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {namespace: shop, name: x}, spec: {secretName: cert, issuerRef: {name: ca, kind: ClusterIssuer}}}`,
			[]string{"ClusterIssuer ca"}},
		"cluster issuer": {`{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: x}, spec: {ca: {secretName: root}}}`,
			[]string{"Secret cert-manager/root"}},
		"aggregated API": {`{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: x}, spec: {service: {namespace: kube-system, name: metrics-server}}}`,
			[]string{"Service kube-system/metrics-server"}},
		"local API": {`{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: x}, spec: {version: v1}}`, nil},
		"vertical autoscaler": {`{apiVersion: autoscaling.k8s.io/v1, kind: VerticalPodAutoscaler, metadata: {namespace: shop, name: x}, spec: {targetRef: {apiVersion: apps/v1, kind: StatefulSet, name: db}}}`,
			[]string{"StatefulSet shop/db"}},
		"scaled object": {`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {namespace: shop, name: x}, spec: {scaleTargetRef: {name: web}}}`,
			[]string{"Deployment shop/web"}},
		"webhook": {`{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: x}, webhooks: [{name: a, clientConfig: {url: "https://a"}}, {name: b, clientConfig: {service: {namespace: policy, name: gate}}}]}`,
			[]string{"Service policy/gate"}},
		"volume": {`{apiVersion: v1, kind: PersistentVolume, metadata: {name: x}, spec: {storageClassName: fast, csi: {driver: disk.example.com, volumeHandle: h}}}`,
			[]string{"StorageClass fast", "CSIDriver disk.example.com"}},
		"nonsense": {`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {namespace: shop, name: x}, spec: {rules: 7, parentRefs: {}}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, tc.object)
			g := newGraph(s)
			var got []string
			for _, k := range cluster.Kinds() {
				for _, o := range s.Objects(k.GroupKind()) {
					for _, ref := range g.dependsOn(g.node(cluster.RefOf(o))) {
						got = append(got, ref.String())
					}
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A Secret that does not exist yet depends on the Certificate that will make it.
func TestMakersOfSecrets(t *testing.T) {
	s := load(t, `{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {namespace: shop, name: x}, spec: {secretName: cert}}`)
	secret := analyzers.Ref{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "cert"}
	if got := newGraph(s).dependsOn(secret); len(got) != 1 || got[0].Kind != "Certificate" {
		t.Errorf("%v", got)
	}
	secret.Namespace = "bank"
	if got := newGraph(s).dependsOn(secret); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
