package analyzers

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxTypo is how many letters a slip changes: a letter added, lost or wrong.
const maxTypo = 2

// Nearest returns the candidate that name was probably meant to be: at most two letters
// off, and no more than a third of its length; or the same words in another order. ok is
// false when none is near or name itself is among the candidates. Of equally near ones
// the first in alphabetical order is taken.
func Nearest(name string, candidates []string) (near string, ok bool) {
	best := maxTypo + 1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if c == name {
			return "", false
		}
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if sameWords(name, c) {
			d = 1
		}
		if d < best && d*3 <= max(len(name), len(c)) {
			near, best = c, d
		}
	}
	return near, near != ""
}

// distance counts changed letters; two neighbours that changed places are one slip of a
// finger, so a short name such as ngnix is near nginx.
func distance(a, b string) int {
	if len(a) == len(b) {
		for i := 0; i+1 < len(a); i++ {
			if a[i] != b[i] {
				if a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:] {
					return 1
				}
				break
			}
		}
	}
	return levenshtein.ComputeDistance(a, b)
}

// sameWords reports whether two names have the same words in another order, or with
// other separators: db-credentials, credentials_db.
func sameWords(a, b string) bool {
	split := func(s string) []string {
		words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == '-' || r == '_' || r == '.' || r == '/' })
		slices.Sort(words)
		return words
	}
	return slices.Equal(split(a), split(b))
}
