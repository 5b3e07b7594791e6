package cluster

import (
	"reflect"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A Kind is one resource that a Snapshot can hold.
type Kind struct {
	schema.GroupVersionKind
	Resource   string
	Namespaced bool
	New        func() Object
	// Versions are those that the checks can read of a kind that is no built-in one of
	// Kubernetes, the best first; a server may have any of them, or none. Its objects are
	// *unstructured.Unstructured, to be read with As.
	Versions []string
}

// Custom reports whether the kind comes from another project than Kubernetes itself.
func (k Kind) Custom() bool { return len(k.Versions) > 0 }

// GVR is the resource as a client names it.
func (k Kind) GVR() schema.GroupVersionResource {
	return k.GroupVersion().WithResource(k.Resource)
}

// The kinds by name, for the Needs of analyzers.
var (
	Pods                   = schema.GroupKind{Kind: "Pod"}
	Services               = schema.GroupKind{Kind: "Service"}
	Nodes                  = schema.GroupKind{Kind: "Node"}
	Namespaces             = schema.GroupKind{Kind: "Namespace"}
	Events                 = schema.GroupKind{Kind: "Event"}
	ConfigMaps             = schema.GroupKind{Kind: "ConfigMap"}
	Secrets                = schema.GroupKind{Kind: "Secret"}
	PersistentVolumeClaims = schema.GroupKind{Kind: "PersistentVolumeClaim"}
	PersistentVolumes      = schema.GroupKind{Kind: "PersistentVolume"}
	ServiceAccounts        = schema.GroupKind{Kind: "ServiceAccount"}
	ResourceQuotas         = schema.GroupKind{Kind: "ResourceQuota"}
	LimitRanges            = schema.GroupKind{Kind: "LimitRange"}
	Deployments            = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	ReplicaSets            = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	StatefulSets           = schema.GroupKind{Group: "apps", Kind: "StatefulSet"}
	DaemonSets             = schema.GroupKind{Group: "apps", Kind: "DaemonSet"}
	ControllerRevisions    = schema.GroupKind{Group: "apps", Kind: "ControllerRevision"}
	Jobs                   = schema.GroupKind{Group: "batch", Kind: "Job"}
	CronJobs               = schema.GroupKind{Group: "batch", Kind: "CronJob"}
	Autoscalers            = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
	DisruptionBudgets      = schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}
	EndpointSlices         = schema.GroupKind{Group: "discovery.k8s.io", Kind: "EndpointSlice"}
	Ingresses              = schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}
	IngressClasses         = schema.GroupKind{Group: "networking.k8s.io", Kind: "IngressClass"}
	NetworkPolicies        = schema.GroupKind{Group: "networking.k8s.io", Kind: "NetworkPolicy"}
	StorageClasses         = schema.GroupKind{Group: "storage.k8s.io", Kind: "StorageClass"}
	PriorityClasses        = schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}
	RuntimeClasses         = schema.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"}
	ValidatingWebhooks     = schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}
	MutatingWebhooks       = schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}
	Roles                  = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "Role"}
	RoleBindings           = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}
	ClusterRoles           = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}
	ClusterRoleBindings    = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}
	VolumeAttachments      = schema.GroupKind{Group: "storage.k8s.io", Kind: "VolumeAttachment"}
	CSIDrivers             = schema.GroupKind{Group: "storage.k8s.io", Kind: "CSIDriver"}
	CSINodes               = schema.GroupKind{Group: "storage.k8s.io", Kind: "CSINode"}
	Leases                 = schema.GroupKind{Group: "coordination.k8s.io", Kind: "Lease"}
	SigningRequests        = schema.GroupKind{Group: "certificates.k8s.io", Kind: "CertificateSigningRequest"}
)

// kinds is the explicit table of what is collected, in the order of listing: the
// largest first, so that a parallel collection ends early.
var kinds = []Kind{
	kind[corev1.Pod](corev1.SchemeGroupVersion, "pods", true),
	kind[corev1.Event](corev1.SchemeGroupVersion, "events", true),
	kind[appsv1.ReplicaSet](appsv1.SchemeGroupVersion, "replicasets", true),
	kind[discoveryv1.EndpointSlice](discoveryv1.SchemeGroupVersion, "endpointslices", true),
	kind[corev1.ConfigMap](corev1.SchemeGroupVersion, "configmaps", true),
	kind[Secret](corev1.SchemeGroupVersion, "secrets", true),
	kind[corev1.Node](corev1.SchemeGroupVersion, "nodes", false),
	kind[corev1.Service](corev1.SchemeGroupVersion, "services", true),
	kind[appsv1.Deployment](appsv1.SchemeGroupVersion, "deployments", true),
	kind[appsv1.StatefulSet](appsv1.SchemeGroupVersion, "statefulsets", true),
	kind[appsv1.DaemonSet](appsv1.SchemeGroupVersion, "daemonsets", true),
	kind[appsv1.ControllerRevision](appsv1.SchemeGroupVersion, "controllerrevisions", true),
	kind[batchv1.Job](batchv1.SchemeGroupVersion, "jobs", true),
	kind[batchv1.CronJob](batchv1.SchemeGroupVersion, "cronjobs", true),
	kind[corev1.ServiceAccount](corev1.SchemeGroupVersion, "serviceaccounts", true),
	kind[corev1.PersistentVolumeClaim](corev1.SchemeGroupVersion, "persistentvolumeclaims", true),
	kind[corev1.PersistentVolume](corev1.SchemeGroupVersion, "persistentvolumes", false),
	kind[corev1.Namespace](corev1.SchemeGroupVersion, "namespaces", false),
	kind[corev1.ResourceQuota](corev1.SchemeGroupVersion, "resourcequotas", true),
	kind[corev1.LimitRange](corev1.SchemeGroupVersion, "limitranges", true),
	kind[autoscalingv2.HorizontalPodAutoscaler](autoscalingv2.SchemeGroupVersion, "horizontalpodautoscalers", true),
	kind[policyv1.PodDisruptionBudget](policyv1.SchemeGroupVersion, "poddisruptionbudgets", true),
	kind[networkingv1.Ingress](networkingv1.SchemeGroupVersion, "ingresses", true),
	kind[networkingv1.IngressClass](networkingv1.SchemeGroupVersion, "ingressclasses", false),
	kind[networkingv1.NetworkPolicy](networkingv1.SchemeGroupVersion, "networkpolicies", true),
	kind[storagev1.StorageClass](storagev1.SchemeGroupVersion, "storageclasses", false),
	kind[schedulingv1.PriorityClass](schedulingv1.SchemeGroupVersion, "priorityclasses", false),
	kind[nodev1.RuntimeClass](nodev1.SchemeGroupVersion, "runtimeclasses", false),
	kind[admissionv1.ValidatingWebhookConfiguration](admissionv1.SchemeGroupVersion, "validatingwebhookconfigurations", false),
	kind[admissionv1.MutatingWebhookConfiguration](admissionv1.SchemeGroupVersion, "mutatingwebhookconfigurations", false),
	kind[rbacv1.Role](rbacv1.SchemeGroupVersion, "roles", true),
	kind[rbacv1.RoleBinding](rbacv1.SchemeGroupVersion, "rolebindings", true),
	kind[rbacv1.ClusterRole](rbacv1.SchemeGroupVersion, "clusterroles", false),
	kind[rbacv1.ClusterRoleBinding](rbacv1.SchemeGroupVersion, "clusterrolebindings", false),
	kind[storagev1.VolumeAttachment](storagev1.SchemeGroupVersion, "volumeattachments", false),
	kind[storagev1.CSIDriver](storagev1.SchemeGroupVersion, "csidrivers", false),
	kind[storagev1.CSINode](storagev1.SchemeGroupVersion, "csinodes", false),
	kind[coordinationv1.Lease](coordinationv1.SchemeGroupVersion, "leases", true),
	kind[certificatesv1.CertificateSigningRequest](certificatesv1.SchemeGroupVersion, "certificatesigningrequests", false),

	custom(APIServices, "apiservices", false, "v1"),
	custom(GatewayClasses, "gatewayclasses", false, "v1", "v1beta1"),
	custom(Gateways, "gateways", true, "v1", "v1beta1"),
	custom(HTTPRoutes, "httproutes", true, "v1", "v1beta1"),
	custom(GRPCRoutes, "grpcroutes", true, "v1", "v1alpha2"),
	custom(ReferenceGrants, "referencegrants", true, "v1", "v1beta1"),
	custom(VerticalAutoscalers, "verticalpodautoscalers", true, "v1"),
	custom(Certificates, "certificates", true, "v1"),
	custom(CertificateRequests, "certificaterequests", true, "v1"),
	custom(Issuers, "issuers", true, "v1"),
	custom(ClusterIssuers, "clusterissuers", false, "v1"),
	custom(Orders, "orders", true, "v1"),
	custom(Challenges, "challenges", true, "v1"),
	custom(CiliumPolicies, "ciliumnetworkpolicies", true, "v2"),
	custom(CiliumClusterPolicies, "ciliumclusterwidenetworkpolicies", false, "v2"),
	custom(CalicoPolicies, "networkpolicies", true, "v1"),
	custom(CalicoGlobalPolicies, "globalnetworkpolicies", false, "v1"),
	custom(AdminPolicies, "adminnetworkpolicies", false, "v1alpha1"),
	custom(BaselinePolicies, "baselineadminnetworkpolicies", false, "v1alpha1"),
	custom(ClusterPolicies, "clusternetworkpolicies", false, "v1alpha2"),
	custom(ScaledObjects, "scaledobjects", true, "v1alpha1"),
}

var (
	kindOf   = map[reflect.Type]Kind{}
	kindByGK = map[schema.GroupKind]Kind{}
)

func init() {
	for _, k := range kinds {
		if !k.Custom() {
			kindOf[reflect.TypeOf(k.New())] = k
		}
		kindByGK[k.GroupKind()] = k
	}
}

func kind[T any, P interface {
	*T
	Object
}](gv schema.GroupVersion, resource string, namespaced bool) Kind {
	name := reflect.TypeFor[T]().Name()
	return Kind{GroupVersionKind: gv.WithKind(name), Resource: resource, Namespaced: namespaced, New: func() Object { return P(new(T)) }}
}

func custom(gk schema.GroupKind, resource string, namespaced bool, versions ...string) Kind {
	gvk := gk.WithVersion(versions[0])
	return Kind{GroupVersionKind: gvk, Resource: resource, Namespaced: namespaced, Versions: versions, New: func() Object {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(gvk)
		return o
	}}
}

// Kinds returns the table of the kinds that a Snapshot can hold.
func Kinds() []Kind { return append([]Kind(nil), kinds...) }

// KindFor returns the table's row of a group and kind.
func KindFor(gk schema.GroupKind) (Kind, bool) {
	k, ok := kindByGK[gk]
	return k, ok
}

// shortNames are kubectl's abbreviations (kubectl api-resources).
var shortNames = map[string]string{
	"po": "Pod", "svc": "Service", "no": "Node", "ns": "Namespace", "ev": "Event", "cm": "ConfigMap",
	"pvc": "PersistentVolumeClaim", "pv": "PersistentVolume", "sa": "ServiceAccount", "quota": "ResourceQuota",
	"limits": "LimitRange", "deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet",
	"cj": "CronJob", "hpa": "HorizontalPodAutoscaler", "pdb": "PodDisruptionBudget", "ing": "Ingress",
	"netpol": "NetworkPolicy", "sc": "StorageClass", "pc": "PriorityClass", "csr": "CertificateSigningRequest",
	"gtw": "Gateway", "gc": "GatewayClass", "vpa": "VerticalPodAutoscaler", "cert": "Certificate", "cnp": "CiliumNetworkPolicy",
	"so": "ScaledObject",
}

// KindNamed finds a kind as people type it: "deploy", "deployments", "Deployment",
// "deployment.apps".
func KindNamed(name string) (Kind, bool) {
	lower, _, _ := strings.Cut(strings.ToLower(name), ".")
	if full, ok := shortNames[lower]; ok {
		lower = strings.ToLower(full)
	}
	for _, k := range kinds {
		if lower == strings.ToLower(k.Kind) || lower == k.Resource {
			return k, true
		}
	}
	return Kind{}, false
}
