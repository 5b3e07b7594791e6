package analyzers

import "testing"

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		name       string
		candidates []string
		want       string
	}{
		{"chekout", []string{"cart", "checkout", "catalog"}, "checkout"},
		{"db-credentials", []string{"db-credential", "web"}, "db-credential"},
		{"credentials-db", []string{"db-credentials"}, "db-credentials"},
		{"DB_HOST", []string{"db_host", "DB_PORT"}, "db_host"},
		{"ngnix", []string{"nginx"}, "nginx"},              // two letters that changed places
		{"bd", []string{"db"}, ""},                         // half of the name
		{"web", []string{"api"}, ""},                       // three letters, all wrong
		{"db", []string{"dc"}, ""},                         // half of the name
		{"web", []string{"web", "wed"}, ""},                // it exists
		{"frontend", []string{"backend"}, ""},              // too far
		{"abcdef", []string{"abcdeg", "abcdee"}, "abcdee"}, // alphabetical among equals
		{"x", nil, ""},
	} {
		if got, ok := Nearest(c.name, c.candidates); got != c.want || ok != (c.want != "") {
			t.Errorf("Nearest(%q, %q) = %q, %v, want %q", c.name, c.candidates, got, ok, c.want)
		}
	}
}
