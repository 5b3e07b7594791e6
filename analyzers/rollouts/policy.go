package rollouts

import (
	"fmt"
	"regexp"

	"github.com/kubefathom/fathom/analyzers"
)

// Policy finds pods that a policy of the cluster denies.
var Policy = &analyzers.Analyzer{
	Name: "rollouts/policy",
	Doc: `policies and webhooks that deny the pods of a workload

The policy's own objects (Kyverno, Gatekeeper, ValidatingAdmissionPolicy) are not read:
its message says what it wants.`,
	Needs: refusalKinds,
	Emits: []analyzers.Code{policyDenied},
	Run:   reportCauses(policyCause),
}

// k8s.io/apiserver pkg/admission/plugin/webhook/errors/statuserror.go and
// pkg/admission/plugin/policy/validating/dispatcher.go.
var (
	deniedWords = regexp.MustCompile(`(?s)^admission webhook "([^"]+)" denied the request(?:: | )(.*)$`)
	vapWords    = regexp.MustCompile(`(?s)^ValidatingAdmissionPolicy '([^']+)'(?: with binding '[^']+')? denied request: (.*)$`)
)

func policyCause(p *analyzers.Pass, r refusal) *cause {
	kind, m := "Admission webhook", deniedWords.FindStringSubmatch(r.reason)
	if m == nil {
		kind, m = "ValidatingAdmissionPolicy", vapWords.FindStringSubmatch(r.reason)
	}
	if m == nil {
		return nil
	}
	c := newCause(policyDenied, r)
	c.word = fmt.Sprintf("%s %s denies them", kind, m[1])
	c.Summary = analyzers.Line(fmt.Sprintf("%s %s denies the pods: %s", kind, m[1], m[2]), 160)
	c.Fixes = append([]analyzers.Fix{{Why: "Change the workload as the policy demands", Argv: p.Kubectl(r.namespace(), "edit", r.root.Short())}}, rollbackOf(p, r)...)
	return c
}
