package reach

// A truth is yes, no, or not to be known from the Snapshot. The order of the values makes
// "or" the greater of two and "and" the lesser.
type truth int

const (
	no truth = iota
	unknown
	yes
)

func known(b bool) truth {
	if b {
		return yes
	}
	return no
}

// A match is whether something fits, and when that is unknown, why.
type match struct {
	truth
	why string
}

func is(b bool) match { return match{truth: known(b)} }

func unsure(why string) match { return match{unknown, why} }

func (m match) or(other match) match {
	if other.truth > m.truth {
		return other
	}
	return m
}

func (m match) and(other match) match {
	if other.truth < m.truth {
		return other
	}
	return m
}
