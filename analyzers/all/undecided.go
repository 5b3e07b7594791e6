package all

// An Omission is a failure mode that no check decides, and why.
type Omission struct {
	Code string
	Why  string
}

// Undecided are the failure modes of the groups covered so far that objects, events and
// logs do not show.
var Undecided = []Omission{}
