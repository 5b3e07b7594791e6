package reach

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Ask is the port of a question as a client has it: for a Service its own port, for a pod
// the pod's. With neither number nor name, all ports that the target declares are meant.
type Ask struct {
	Number   int32
	Name     string
	Protocol corev1.Protocol // "" means any for declared ports, else TCP
}

func (a Ask) given() bool { return a.Number != 0 || a.Name != "" }

// An Answer tells whether From reaches To, and which rule says so.
type Answer struct {
	From  Endpoint `json:"-"`
	To    Endpoint `json:"-"`
	State State    `json:"state"`
	Why   string   `json:"why"`
	// Hops are what the connection may end at, those that are alike counted once.
	Hops  []Hop    `json:"hops,omitempty"`
	Notes []string `json:"notes,omitempty"`
}

// A Hop is one end that a connection may lead to, after a Service has translated it.
type Hop struct {
	Via     int32       `json:"servicePort,omitempty"` // the Service's port, when it is translated
	To      cluster.Ref `json:"to,omitzero"`
	Address string      `json:"address,omitempty"` // of what is no pod
	Port    Port        `json:"port"`
	Count   int         `json:"count"` // pods that are alike
	State   State       `json:"state"`
	Egress  *Side       `json:"egress,omitempty"`  // of From; nil when it is no pod
	Ingress *Side       `json:"ingress,omitempty"` // of the target; nil when it is no pod
	alike   string
}

// Denies returns the sides that deny, egress first.
func (h Hop) Denies() []*Side {
	var out []*Side
	for _, side := range []*Side{h.Egress, h.Ingress} {
		if side != nil && side.State == Denied {
			out = append(out, side)
		}
	}
	return out
}

// A PortError says that the target has no such port.
type PortError struct {
	To   Endpoint
	Ask  Ask
	Have []string
}

func (e *PortError) Error() string {
	asked := e.Ask.Name
	if asked == "" {
		asked = fmt.Sprint(e.Ask.Number)
	}
	if len(e.Have) == 0 {
		return fmt.Sprintf("%s has no port %s", e.To, asked)
	}
	return fmt.Sprintf("%s has no port %s, only %s", e.To, asked, strings.Join(e.Have, ", "))
}

// Evaluate tells whether the policies let from connect to to. A Service as from stands for
// one of its pods. The error is a *PortError.
func Evaluate(s *cluster.Snapshot, from, to Endpoint, ask Ask) (Answer, error) {
	a := Answer{From: from, To: to}
	a.note(notes(s)...)
	if from.Service != nil {
		behind, _ := backends(s, from.Service)
		if len(behind) == 0 {
			return a.undecided(fmt.Sprintf("%s has no pod that could be the client", from.Ref)), nil
		}
		from = behind[0]
	}
	targets, err := a.targets(s, to, ask)
	if err != nil || a.State != "" {
		return a, err
	}
	client := partyOf(s, from)
	for _, t := range targets {
		a.add(s, t, client)
	}
	a.conclude()
	return a, nil
}

func (a *Answer) note(notes ...string) { a.Notes = append(a.Notes, notes...) }

func (a *Answer) undecided(why string) Answer {
	a.State, a.Why = NotEvaluated, why
	return *a
}

// add judges one target, unless one that is alike has been judged.
func (a *Answer) add(s *cluster.Snapshot, t target, client party) {
	server := partyOf(s, t.Endpoint)
	server.via = t.service
	h := Hop{
		Via: t.via, To: server.ref, Port: t.port, Count: 1,
		Egress:  judge(s, networkingv1.PolicyTypeEgress, client, server, server, t.port),
		Ingress: judge(s, networkingv1.PolicyTypeIngress, server, client, server, t.port),
	}
	switch {
	case server.host != "":
		h.Address = server.host
	case server.pod == nil:
		h.Address = t.IP.String()
	}
	h.State = Allowed
	for _, side := range []*Side{h.Egress, h.Ingress} {
		if side != nil && (side.State == Denied || side.State == NotEvaluated && h.State == Allowed) {
			h.State = side.State
		}
	}
	h.alike = h.key(s, server)
	if i := slices.IndexFunc(a.Hops, func(other Hop) bool { return other.alike == h.alike }); i >= 0 {
		a.Hops[i].Count++
		return
	}
	a.Hops = append(a.Hops, h)
}

// key tells which hops are alike: pods of one workload with the same answer.
func (h Hop) key(s *cluster.Snapshot, server party) string {
	parts := []string{fmt.Sprint(h.Via, h.Port, h.State, h.Address)}
	if server.pod != nil {
		parts = append(parts, s.Root(server.pod).String())
	} else {
		parts = append(parts, h.To.String())
	}
	for _, side := range []*Side{h.Egress, h.Ingress} {
		if side == nil {
			continue
		}
		parts = append(parts, string(side.State), fmt.Sprint(side.Policies))
		if side.Rule != nil {
			parts = append(parts, side.Rule.Policy.String(), side.Rule.Path)
		} else if side.State == Allowed { // why it is free may name the node
			parts = append(parts, fmt.Sprint(len(side.Policies)))
		}
	}
	return strings.Join(parts, "|")
}

// conclude sums up the hops: a client that is let through to some of them only will fail.
func (a *Answer) conclude() {
	count := map[State]int{}
	for _, h := range a.Hops {
		count[h.State] += h.Count
	}
	all := count[Allowed] + count[Denied] + count[NotEvaluated]
	switch {
	case count[Denied] > 0:
		a.State = Denied
	case count[NotEvaluated] > 0 || all == 0:
		a.State = NotEvaluated
	default:
		a.State = Allowed
	}
	for _, h := range a.Hops {
		if h.State == a.State {
			a.Why = h.why()
			break
		}
	}
	if all == 0 {
		a.Why = "there is nothing that the connection could lead to"
	}
	if n := count[a.State]; n < all {
		a.Why = fmt.Sprintf("%d of the %d ways are %s: %s", n, all, strings.ReplaceAll(string(a.State), "-", " "), a.Why)
	}
}

// why is the reason of the hop's state.
func (h Hop) why() string {
	var whys []string
	for _, side := range []*Side{h.Egress, h.Ingress} {
		if side != nil && side.State == h.State {
			whys = append(whys, side.Why)
		}
	}
	if len(whys) == 0 {
		return "neither end is a pod, and policies restrict pods only"
	}
	return strings.Join(slices.Compact(whys), "; ")
}

// notes are what a reader of any answer should know.
func notes(s *cluster.Snapshot) []string {
	var out []string
	if asFile(s) {
		out = append(out, "judged from files: policies, pods and labels that they do not hold are not known")
	} else if slices.ContainsFunc(ForeignKinds(), func(gk schema.GroupKind) bool {
		records := s.Access(gk)
		return len(records) == 1 && records[0].State == cluster.NotCollected
	}) {
		out = append(out, "the recording does not say whether there are policies of Cilium, Calico or administrators")
	}
	if n := Plugin(s); n.NotEnforced() {
		out = append(out, fmt.Sprintf("%s does not apply network policies, so nothing of this is in force", n.Name))
	}
	return out
}

// By returns the question with a protocol, "" for any that is declared.
func (a Ask) By(protocol string) Ask {
	a.Protocol = corev1.Protocol(protocol)
	return a
}
