package cluster

import (
	"regexp"

	corev1 "k8s.io/api/core/v1"
)

// A Cloud is a provider whose identities pods take on, and how a ServiceAccount says which.
type Cloud struct {
	Name       string
	Annotation string // of the ServiceAccount
	Label      string // of the pod, where it must ask for an identity
	Variable   string // that the provider's webhook sets in the pod, where it does

	refusal *regexp.Regexp // words for an identity that was not given
	without *regexp.Regexp // words for no credentials of any sort
}

// clouds are the three providers with the words of their libraries for an identity that is
// not given, as distinct from one that may not do something:
// AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
// and the credential chains of its SDKs;
// Azure: https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
// and azidentity's WorkloadIdentityCredential;
// Google: golang.org/x/oauth2/google and the GKE metadata server
// (https://cloud.google.com/kubernetes-engine/docs/troubleshooting/authentication).
var clouds = []*Cloud{
	{
		Name: "AWS", Annotation: "eks.amazonaws.com/role-arn", Variable: "AWS_ROLE_ARN",
		refusal: regexp.MustCompile(`AssumeRoleWithWebIdentity|WebIdentityErr|No OpenIDConnect provider found`),
		without: regexp.MustCompile(`NoCredentialProviders|Unable to locate credentials|failed to refresh cached credentials|Unable to load (?:AWS )?credentials|CredentialsProviderError`),
	},
	{
		Name: "Azure", Annotation: "azure.workload.identity/client-id", Label: "azure.workload.identity/use", Variable: "AZURE_FEDERATED_TOKEN_FILE",
		refusal: regexp.MustCompile(`AADSTS(?:70021|700211|700212|700213|700016|700024)\b|WorkloadIdentityCredential authentication failed`),
		without: regexp.MustCompile(`no client ID specified|no token file specified|WorkloadIdentityCredential: |DefaultAzureCredential: failed to acquire a token`),
	},
	{
		Name: "Google Cloud", Annotation: "iam.gke.io/gcp-service-account",
		refusal: regexp.MustCompile(`Unable to generate access token|iam\.serviceAccounts\.getAccessToken`),
		without: regexp.MustCompile(`could not find default credentials|GCE metadata "[^"]*" not defined`),
	},
}

// A CloudRefusal is what a program says that its cloud did not give it.
type CloudRefusal struct {
	*Cloud
	Line     string
	Previous bool // of the log: that of the run before
}

// RefusedByCloud tells of a container whose log says that it got no identity of its cloud.
// Words for no credentials at all count only where the pod or its ServiceAccount asks for
// such an identity: other programs are to have a key in a Secret.
func (s *Snapshot) RefusedByCloud(pod *corev1.Pod, status corev1.ContainerStatus) (CloudRefusal, bool) {
	s.note(ServiceAccounts)
	log, ok := s.refusalLog(pod, status)
	if !ok {
		return CloudRefusal{}, false
	}
	for _, c := range clouds {
		asks := c.asked(s, pod, status.Name)
		match := func(line string) bool { return c.refusal.MatchString(line) || asks && c.without.MatchString(line) }
		if line, ok := lastRefusal(log.Lines(), match); ok {
			return CloudRefusal{Cloud: c, Line: line, Previous: log.Previous}, true
		}
	}
	return CloudRefusal{}, false
}

func (c *Cloud) asked(s *Snapshot, pod *corev1.Pod, container string) bool {
	if c.Label != "" && pod.Labels[c.Label] == "true" {
		return true
	}
	if _, ok := c.Given(pod, container); ok {
		return true
	}
	sa, ok := Find[*corev1.ServiceAccount](s, pod.Namespace, pod.Spec.ServiceAccountName)
	return ok && sa.Annotations[c.Annotation] != ""
}

// Given is the value of the variable that the provider's webhook has set in a container.
func (c *Cloud) Given(pod *corev1.Pod, container string) (string, bool) {
	spec, _, ok := Container(&pod.Spec, container)
	if !ok || c.Variable == "" {
		return "", false
	}
	for _, e := range spec.Env {
		if e.Name == c.Variable {
			return e.Value, true
		}
	}
	return "", false
}
