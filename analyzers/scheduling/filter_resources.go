package scheduling

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// amounts are resources as the scheduler counts them: CPU in thousandths, the rest in
// whole units.
type amounts map[corev1.ResourceName]int64

func amountsOf(list corev1.ResourceList) amounts {
	out := make(amounts, len(list))
	for name, q := range list {
		if name == corev1.ResourceCPU {
			out[name] = q.MilliValue()
		} else {
			out[name] = q.Value()
		}
	}
	return out
}

func (a amounts) add(b amounts) {
	for name, n := range b {
		a[name] += n
	}
}

// A shortage is a resource of which a node has less free than the pod wants.
type shortage struct {
	name               corev1.ResourceName
	want, free, offers int64
}

func (s shortage) String() string {
	t := amountTexts(s.name, s.want, max(s.free, 0), s.offers)
	return "needs " + t[0] + " " + string(s.name) + ", " + t[1] + " of " + t[2] + " free"
}

// resources holds what the pod requests against what the node offers and its pods have
// requested; what they use does not count (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/noderesources/fit.go, fitsRequest).
func (r *request) resources(n *nodeState, out []Rejection) []Rejection {
	count, gone := int64(len(n.pods)), amounts(nil)
	for pod := range r.without {
		if pod.Spec.NodeName == n.node.Name {
			count--
			gone = sum(gone, requestsOnNode(pod))
		}
	}
	var coming amounts
	for _, pod := range r.expected(n) {
		count++
		coming = sum(coming, requestsOnNode(pod))
	}
	short := map[kind][]shortage{}
	if limit := n.offers[corev1.ResourcePods]; count+1 > limit {
		short[byPodCount] = []shortage{{corev1.ResourcePods, 1, limit - count, limit}}
	}
	for name, want := range r.wants {
		offers := n.offers[name]
		free := offers - n.taken[name] - coming[name] + gone[name]
		if want == 0 || want <= free {
			continue
		}
		k := byRoom
		switch {
		case isDevice(name) && want > offers:
			k = byOffer
		case isDevice(name):
			k = byDevice
		}
		short[k] = append(short[k], shortage{name, want, free, offers})
	}
	for _, k := range slices.Sorted(maps.Keys(short)) {
		list := short[k]
		slices.SortFunc(list, func(a, b shortage) int { return cmp.Compare(a.name, b.name) })
		text := make([]string, len(list))
		for i, s := range list {
			text[i] = s.String()
		}
		out = append(out, Rejection{Filter: NodeResourcesFit, kind: k, shortages: list, Reason: strings.Join(text, "; ")})
	}
	return out
}

func sum(a, b amounts) amounts {
	if a == nil {
		a = amounts{}
	}
	a.add(b)
	return a
}

// isDevice is k8s.io/kubernetes pkg/apis/core/v1/helper/helpers.go IsExtendedResourceName:
// what a device plugin offers.
func isDevice(name corev1.ResourceName) bool {
	s := string(name)
	return strings.Contains(s, "/") && !strings.Contains(s, corev1.ResourceDefaultNamespacePrefix) && !strings.HasPrefix(s, corev1.DefaultResourceRequestsPrefix)
}

// amountTexts writes amounts of one resource as people do, just fine enough that
// different amounts look different.
func amountTexts(name corev1.ResourceName, values ...int64) []string {
	out := make([]string, len(values))
	for precision := 1; precision <= 4; precision++ {
		distinct := true
		for i, v := range values {
			out[i] = amountText(name, v, precision)
			for j := range i {
				distinct = distinct && (out[j] != out[i] || values[j] == v)
			}
		}
		if distinct {
			break
		}
	}
	return out
}

func amountText(name corev1.ResourceName, v int64, precision int) string {
	switch {
	case name == corev1.ResourceCPU && (v < 1000 && v != 0 || v%100 != 0):
		return strconv.FormatInt(v, 10) + "m"
	case name == corev1.ResourceCPU:
		return decimal(float64(v)/1000, precision)
	case name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix):
		for _, unit := range []struct {
			suffix string
			size   int64
		}{{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}} {
			if v >= unit.size && !(precision == 4 && v%unit.size != 0) {
				return decimal(float64(v)/float64(unit.size), precision) + unit.suffix
			}
		}
	}
	return strconv.FormatInt(v, 10)
}

func decimal(f float64, precision int) string {
	s := strconv.FormatFloat(f, 'f', precision, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
