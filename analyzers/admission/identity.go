package admission

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Identity reports programs that get no identity of their cloud, with what the pod and its
// ServiceAccount lack for it. Where they lack nothing, the trust is missing in the cloud,
// which is not read.
var Identity = &analyzers.Analyzer{
	Name: "admission/identity",
	Doc: `programs to which AWS, Azure or Google Cloud gives no workload identity

The program's log tells that it was refused; ServiceAccount and pod tell whether the part of
it that lies in the cluster is complete.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.ServiceAccounts},
	Emits: []analyzers.Code{noIdentity},
	Run:   identity,
}

func identity(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if pod.DeletionTimestamp != nil || !p.Stands(pod) {
			continue
		}
		for _, status := range cluster.ContainerStatuses(pod) {
			r, ok := p.RefusedByCloud(pod, status)
			if !ok || !p.Crashing(pod, status) && (p.ContainerFault(pod, status) != cluster.ReadyFault || soon(p, pod)) {
				continue // a program that serves has got over it, or does without
			}
			reportIdentity(p, pod, status, r)
		}
	}
	return nil
}

func reportIdentity(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus, r cluster.CloudRefusal) {
	account := analyzers.Ref{APIVersion: "v1", Kind: "ServiceAccount", Namespace: pod.Namespace, Name: firstOf(pod.Spec.ServiceAccountName, "default")}
	f := analyzers.Finding{
		Code: noIdentity, Subject: p.Root(pod), Part: status.Name, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Evidence: []analyzers.Evidence{logEvidence(pod, status.Name, r.Line, r.Previous)},
		CausedBy: []analyzers.Ref{account},
	}
	say := func(source analyzers.Ref, path, quote string) {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: source.String(), Path: path, Quote: quote})
	}
	sa, found := cluster.Find[*corev1.ServiceAccount](p.Snapshot, account.Namespace, account.Name)
	given, injected := r.Given(pod, status.Name)
	wants := ""
	if found {
		wants = sa.Annotations[r.Annotation]
	}
	switch {
	case found && wants == "" && !injected:
		f.Summary = fmt.Sprintf("%s gives %s no identity: ServiceAccount %s has no annotation %s", r.Name, status.Name, account.Name, r.Annotation)
		f.Shared = fmt.Sprintf("ServiceAccount %s/%s has no annotation %s", account.Namespace, account.Name, r.Annotation)
		say(account, "metadata.annotations", "no "+r.Annotation)
		f.Fixes = []analyzers.Fix{
			{Why: "Name the identity of the cloud that the account stands for", Argv: p.Kubectl(account.Namespace, "annotate", "serviceaccount", account.Name, r.Annotation+"=<identity>")},
			restart(p, f.Subject, "Then make the pods anew, which take it on when they are created"),
		}
	case r.Label != "" && pod.Labels[r.Label] != "true":
		f.Summary = fmt.Sprintf("%s gives %s no identity: its pods lack the label %s=true", r.Name, status.Name, r.Label)
		say(cluster.RefOf(pod), "metadata.labels", "no "+r.Label)
		f.Fixes = []analyzers.Fix{{
			Why:  "Let the pods ask for an identity",
			Argv: p.Kubectl(pod.Namespace, "patch", f.Subject.Short(), "--type", "strategic", "-p", fmt.Sprintf(`{"spec":{"template":{"metadata":{"labels":{%q:"true"}}}}}`, r.Label)),
		}}
		if !cluster.RollsOut(f.Subject) {
			f.Fixes[0].Argv = p.Kubectl(pod.Namespace, "edit", f.Subject.Short())
		}
	case r.Variable != "" && !injected:
		f.Summary = fmt.Sprintf("%s gives %s no identity: the pod was made without %s, which its ServiceAccount asks for", r.Name, status.Name, r.Variable)
		say(account, "metadata.annotations", r.Annotation+"="+wants)
		say(cluster.RefOf(pod), "spec.containers["+status.Name+"].env", "no "+r.Variable)
		f.Fixes = []analyzers.Fix{restart(p, f.Subject, "Make the pods anew: the identity is put in when a pod is created")}
	case r.Variable == "AWS_ROLE_ARN" && wants != "" && given != wants:
		f.Summary = fmt.Sprintf("%s gives %s no identity: the pod has another role than its ServiceAccount by now", r.Name, status.Name)
		say(account, "metadata.annotations", r.Annotation+"="+wants)
		say(cluster.RefOf(pod), "spec.containers["+status.Name+"].env", r.Variable+"="+given)
		f.Fixes = []analyzers.Fix{restart(p, f.Subject, "Make the pods anew, with the role of the account")}
	default:
		f.Summary = fmt.Sprintf("%s does not trust ServiceAccount %s/%s", r.Name, account.Namespace, account.Name)
		if role := firstOf(wants, given); role != "" && r.Name != "Azure" {
			f.Summary += " with " + role
		}
		f.Shared = f.Summary
		if wants != "" {
			say(account, "metadata.annotations", r.Annotation+"="+wants)
		}
		f.Fixes = []analyzers.Fix{{Why: fmt.Sprintf("Let the identity in the cloud trust system:serviceaccount:%s:%s of this cluster's issuer (trust policy, federated credential, workloadIdentityUser)", account.Namespace, account.Name)}}
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	if end, _ := cluster.End(status); end != nil && p.Crashing(pod, status) {
		f.Evidence = append(f.Evidence, endEvidence(pod, status, end))
	}
	p.Report(f)
}

func restart(p *analyzers.Pass, workload analyzers.Ref, why string) analyzers.Fix {
	if cluster.RollsOut(workload) {
		return analyzers.Fix{Why: why, Argv: p.Kubectl(workload.Namespace, "rollout", "restart", workload.Short())}
	}
	return analyzers.Fix{Why: why}
}
