package images

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unauthorized reports pulls that the registry denies. A pull secret that is named and
// missing is the cause only here: the kubelet goes on without it, and an image that needs
// no login is pulled all the same.
var Unauthorized = &analyzers.Analyzer{
	Name:  "images/unauthorized",
	Doc:   "pulls that the registry denies for lack of a valid login",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.Secrets},
	Emits: []analyzers.Code{unauthorized},
	Run: func(p *analyzers.Pass) error {
		for f := range pullsWith(p, unauthorized) {
			f.reportUnauthorized(p)
		}
		return nil
	},
}

// httpStatus is how containerd and others write the registry's answer.
var httpStatus = regexp.MustCompile(`\b(401 Unauthorized|403 Forbidden)\b`)

func (f *pull) reportUnauthorized(p *analyzers.Pass) {
	r := parse(f.image)
	secrets := pullSecrets(f.pod)
	missing, proof := f.missingSecret(p, secrets)
	image := short(strings.TrimPrefix(f.image, r.host+"/"))
	answer := "denies the pull of " + image
	if status := httpStatus.FindString(f.text); status != "" {
		answer = "answers " + status + " to the pull of " + image
	}
	finding := analyzers.Finding{
		CausedBy: []analyzers.Ref{registryRef(r.host)},
		Shared:   sayf("Registry %s denies pulls for lack of a valid login", r.registry()),
		Evidence: f.evidence(proof...),
	}
	create := analyzers.Fix{
		Why: "Create a pull secret with a login for " + r.registry(),
		Argv: p.Kubectl(f.pod.Namespace, "create", "secret", "docker-registry", "registry-login",
			"--docker-server="+server(r.host), "--docker-username=<user>", "--docker-password=<password>"),
	}
	switch {
	case missing != "":
		ref := analyzers.Ref{APIVersion: "v1", Kind: "Secret", Namespace: f.pod.Namespace, Name: missing}
		finding.Summary = sentence(sayf("Registry %s %s: pull secret %s does not exist", r.registry(), answer, missing))
		finding.CausedBy = []analyzers.Ref{ref, registryRef(r.host)}
		finding.Shared = sayf("Pull secret %s/%s does not exist", f.pod.Namespace, missing)
		create.Argv[slices.Index(create.Argv, "registry-login")] = missing
		create.Why = "Create the pull secret that the pod names"
		finding.Fixes = append(finding.Fixes, create)
	case len(secrets) == 0:
		finding.Summary = sentence(sayf("Registry %s %s", r.registry(), answer), ": the pod has no pull secret")
		finding.Evidence = append(finding.Evidence, analyzers.Evidence{Source: cluster.RefOf(f.pod).String(), Path: "spec.imagePullSecrets", Quote: "imagePullSecrets: []"})
		finding.Fixes = append(finding.Fixes, f.useSecret(p, create)...)
	default:
		finding.Summary = sentence(sayf("Registry %s %s", r.registry(), answer), ", also with pull secret "+strings.Join(secrets, ", "))
		finding.Evidence = append(finding.Evidence, analyzers.Evidence{Source: cluster.RefOf(f.pod).String(), Path: "spec.imagePullSecrets", Quote: "imagePullSecrets: " + strings.Join(secrets, ", ")})
		create.Why += ", and name it in imagePullSecrets beside " + secrets[0]
		finding.Fixes = append(finding.Fixes, create)
	}
	finding.Fixes = append(finding.Fixes, f.rollback(p, "")...)
	finding.Fixes = finding.Fixes[:min(len(finding.Fixes), 3)]
	f.report(p, finding)
}

// server is the name that a login for Docker Hub must have (kubectl create secret
// docker-registry, default of --docker-server).
func server(host string) string {
	if host == dockerHub {
		return "https://index.docker.io/v1/"
	}
	return host
}

// pullSecrets are the names that the pod has; those of its service account were written
// into it when it was created. Empty names are possible, and the kubelet skips them.
func pullSecrets(pod *corev1.Pod) []string {
	var out []string
	for _, ref := range pod.Spec.ImagePullSecrets {
		if ref.Name != "" && !slices.Contains(out, ref.Name) {
			out = append(out, ref.Name)
		}
	}
	return out
}

// missingSecret is the first pull secret that does not exist: by the Secrets themselves,
// or where they cannot be seen by the kubelet's event (k8s.io/kubernetes
// pkg/kubelet/kubelet.go: "Unable to retrieve some image pull secrets (%s); attempting to
// pull the image may not succeed.").
func (f *pull) missingSecret(p *analyzers.Pass, names []string) (string, []analyzers.Evidence) {
	ev, said := p.LastEvent(f.pod, nil, "FailedToRetrieveImagePullSecret")
	for _, name := range names {
		_, exists := cluster.Find[*cluster.Secret](p.Snapshot, f.pod.Namespace, name)
		switch {
		case exists:
		case p.Sees(cluster.Secrets, f.pod.Namespace):
			return name, []analyzers.Evidence{{Source: cluster.RefOf(f.pod).String(), Path: "spec.imagePullSecrets", Quote: "imagePullSecrets: " + name}}
		case said && slices.Contains(strings.FieldsFunc(ev.Message, func(r rune) bool { return strings.ContainsRune("(), ", r) }), name):
			return name, []analyzers.Evidence{{Source: "Event on " + cluster.RefOf(f.pod).String(), Path: ev.Reason, Quote: analyzers.Quote(ev.Message), At: cluster.EventTime(ev)}}
		}
	}
	return "", nil
}

// useSecret proposes a pull secret of the namespace that another pod uses for the same
// registry, or to create one.
func (f *pull) useSecret(p *analyzers.Pass, create analyzers.Fix) []analyzers.Fix {
	root := p.Root(f.pod)
	host := parse(f.image).host
	for other := range cluster.In[*corev1.Pod](p.Snapshot, f.pod.Namespace) {
		names := pullSecrets(other)
		if len(names) == 0 || !cluster.PodReady(other) {
			continue
		}
		if !slices.ContainsFunc(cluster.Containers(&other.Spec), func(c corev1.Container) bool { return parse(c.Image).host == host }) {
			continue
		}
		patch := sayf(`{"spec":{"template":{"spec":{"imagePullSecrets":[{"name":%q}]}}}}`, names[0])
		if !settable[root.Kind] || root.Kind == "Pod" || root.Kind == "CronJob" {
			break
		}
		return []analyzers.Fix{{
			Why:  sayf("Use the pull secret %s, with which %s pulls from the same registry", names[0], p.Root(other)),
			Argv: p.Kubectl(root.Namespace, "patch", root.Short(), "--type", "strategic", "-p", patch),
		}}
	}
	account := f.pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	return []analyzers.Fix{create, {
		Why:  "Give the pull secret to all new pods of service account " + account,
		Argv: p.Kubectl(f.pod.Namespace, "patch", "serviceaccount", account, "-p", `{"imagePullSecrets":[{"name":"registry-login"}]}`),
	}}
}
