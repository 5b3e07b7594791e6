package services

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// SetService finds StatefulSets whose pods are called by names that no Service gives.
var SetService = &analyzers.Analyzer{
	Name: "services/set-service",
	Doc: `StatefulSets whose pods are called by names that no Service gives

Names such as db-0.db exist only while there is a headless Service db. Many StatefulSets
name one that nobody needs, so that alone is no fault: somebody has to ask for such a name.`,
	Needs: []schema.GroupKind{cluster.StatefulSets, cluster.Services, cluster.Pods},
	Emits: []analyzers.Code{setService},
	Run:   setServices,
}

func setServices(p *analyzers.Pass) error {
	for set := range cluster.Scoped[*appsv1.StatefulSet](p.Snapshot) {
		name := set.Spec.ServiceName
		if name == "" || set.DeletionTimestamp != nil || set.Spec.Selector == nil || !p.Sees(cluster.Services, set.Namespace) {
			continue
		}
		if _, ok := cluster.Find[*corev1.Service](p.Snapshot, set.Namespace, name); ok {
			continue
		}
		if pods := p.PodsOf(set); len(pods) > 0 {
			reportSet(p, set, pods)
		}
	}
	return nil
}

func reportSet(p *analyzers.Pass, set *appsv1.StatefulSet, pods []*corev1.Pod) {
	ref, name := cluster.RefOf(set), set.Spec.ServiceName
	use, host, failed := asked(p.Snapshot, set)
	if host == "" {
		return
	}
	f := analyzers.Finding{
		Code:    setService,
		Subject: ref,
		Summary: fmt.Sprintf("%s cannot be resolved: there is no Service %s, which serviceName names", host, name),
		Evidence: []analyzers.Evidence{
			{Source: ref.String(), Path: "spec.serviceName", Quote: "serviceName: " + name},
			use,
		},
		CausedBy: []analyzers.Ref{{APIVersion: "v1", Kind: "Service", Namespace: set.Namespace, Name: name}},
		Shared:   fmt.Sprintf("Service %s/%s does not exist", set.Namespace, name),
	}
	if !failed {
		f.Severity = analyzers.Warning // who asks may do without an answer
	}
	for svc := range cluster.In[*corev1.Service](p.Snapshot, set.Namespace) {
		if matches(svc.Spec.Selector, set.Spec.Template.Labels) {
			if more := fmt.Sprintf("; Service %s selects its pods", svc.Name); len(f.Summary)+len(more) <= 160 {
				f.Summary += more
			}
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(svc).String(), Path: "spec.selector", Quote: "selector: " + selectorText(svc)})
			break
		}
	}
	argv := []string{"expose", "pod", pods[0].Name, "--name", name, "--cluster-ip", "None", "--selector", labels.FormatLabels(set.Spec.Selector.MatchLabels)}
	if !slices.ContainsFunc(serving(&pods[0].Spec), func(c corev1.Container) bool { return len(c.Ports) > 0 }) {
		argv = append(argv, "--port", "<port>") // it takes those that the pod declares otherwise
	}
	f.Fixes = []analyzers.Fix{{Why: fmt.Sprintf("Create the headless Service %s for the pods; serviceName cannot be changed", name), Argv: p.Kubectl(set.Namespace, argv...)}}
	p.Report(f)
}

// asked finds who asks for a pod of the set by a name that the missing Service would
// give: a program whose log says that it could not be resolved, or one that has it in
// its settings.
func asked(s *cluster.Snapshot, set *appsv1.StatefulSet) (use analyzers.Evidence, host string, failed bool) {
	word := regexp.MustCompile(`(?:^|[^\w.-])(` + regexp.QuoteMeta(set.Name) + `-\d+\.` + regexp.QuoteMeta(set.Spec.ServiceName) + `)(?:\.` + regexp.QuoteMeta(set.Namespace) + `(?:\.svc[\w.-]*)?)?(?:[^\w.-]|$)`)
	for pod := range cluster.In[*corev1.Pod](s, set.Namespace) {
		if cluster.PodReady(pod) || cluster.PodFinished(pod) {
			continue
		}
		for _, c := range cluster.Containers(&pod.Spec) {
			for _, previous := range []bool{false, true} {
				l, _ := s.Log(pod, c.Name, previous)
				for _, line := range l.Lines() {
					m := word.FindStringSubmatch(line)
					if how, ok := cluster.OutageIn(line); m != nil && ok && how == cluster.NameUnknown {
						return analyzers.Evidence{Source: fmt.Sprintf("Log of Pod %s/%s container %s", pod.Namespace, pod.Name, c.Name), Path: "log", Quote: analyzers.QuoteHead(line)}, m[1], true
					}
				}
			}
		}
	}
	for _, w := range s.Workloads(set.Namespace) {
		t, _ := cluster.Template(w)
		for _, c := range cluster.Containers(&t.Spec) {
			for i, a := range slices.Concat(c.Command, c.Args) {
				if m := word.FindStringSubmatch(a); m != nil {
					return analyzers.Evidence{Source: cluster.RefOf(w).String(), Path: "args of container " + c.Name + ", " + strconv.Itoa(i), Quote: analyzers.QuoteHead(a)}, m[1], false
				}
			}
			for _, e := range c.Env {
				if m := word.FindStringSubmatch(e.Value); m != nil {
					return analyzers.Evidence{Source: cluster.RefOf(w).String(), Path: "env " + e.Name + " of container " + c.Name, Quote: analyzers.QuoteHead(e.Value)}, m[1], false
				}
			}
		}
	}
	return use, "", false
}
