package redact

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// filler is what random surroundings are made of: ordinary text, the signs the
// scanner stops at, the names it knows, and halves of things.
var filler = append([]string{
	" ", " ", "\n", "\t", ":", "=", ": ", " = ", "\"", "'", "`", "\\", "\\n", "\\\"", ",", ";", "&", "|", "<", ">", "(", ")", "[", "]", "{", "}",
	"@", "/", "//", "://", "-", "--", "_", ".", "..", "%", "#", "?", "$", "~", "*", "é", "日本", "\u00a0", "=>", ":=", "==", "</", "{{",
	"password", "token", "secret", "auth", "key", "api key", "value", "name", "data", "Authorization", "Bearer ", "Basic ", "kind: Secret\n",
	"\"kind\":\"Secret\"", "data:\n  a: b", "stringData: {", "password: |\n  ", "--password ", "-p", "mysql ", "curl -u ", "PASSWORD '", "requirepass ",
	"-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "-----", "eyJ", "ghp_", "AKIA", "xoxb-", "sk-", "postgres://app:", "@tcp(", "@db:5432/",
	"<redacted:password#1>", "<redacted:jwt#2", "redacted:", "\\u003credacted:jwt#1\\u003e", "&lt;", "\"password\":\"", "\"password\":", "</password>", "<password>",
	"not found", "connection refused", "app", "web-7d9f8c6b5-x2x9k", "0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01", "sha256:", "10.0.0.1:8080", "12345678:",
}, lines...)

func randomText(rng *rand.Rand, n int) string {
	var b strings.Builder
	for range rng.IntN(n + 1) {
		b.WriteString(filler[rng.IntN(len(filler))])
	}
	return b.String()
}

// check asserts what holds for any text.
func check(t *testing.T, s string) {
	t.Helper()
	r := New()
	got := r.Text(s)
	if again := r.Text(got); again != got {
		t.Fatalf("not idempotent:\n%q\n%q\n%q", s, got, again)
	}
	if again := New().Text(got); again != got {
		t.Fatalf("not idempotent in another Redactor:\n%q\n%q\n%q", s, got, again)
	}
	if utf8.ValidString(s) && !utf8.ValidString(got) {
		t.Fatalf("invalid UTF-8:\n%q\n%q", s, got)
	}
	if (got == s) != (r.Count() == 0) {
		t.Fatalf("counted %d:\n%q\n%q", r.Count(), s, got)
	}
	if len(got) > 16*len(s)+64 {
		t.Fatalf("grew from %d to %d bytes", len(s), len(got))
	}
}

func TestAnyText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		check(t, randomText(rng, 24))
	}
}

// TestPlantedInRandomText puts each secret known by its form in random
// surroundings. Those may only touch it by a separator: what a letter is glued
// to is another secret.
func TestPlantedInRandomText(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const seams = " \n\"',;()[]="
	for range 300 {
		for _, tc := range structured {
			before := randomText(rng, 12) + string(seams[rng.IntN(len(seams))])
			after := string(seams[rng.IntN(len(seams))]) + randomText(rng, 12)
			s := before + tc.secret + after
			got := New().Text(s)
			// Hex digits may be said to be a digest by what is before them.
			if strings.Contains(got, tc.secret) && strings.Trim(tc.secret, hexes) != "" {
				t.Fatalf("%s survived:\n%q\n%q", tc.kind, s, got)
			}
			check(t, s)
		}
	}
}

// TestPlantedByNameInRandomText does the same for passwords known by their
// name, which need their own syntax around them.
func TestPlantedByNameInRandomText(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	forms := []string{"\npassword=%s\n", "\npassword: %s\n", "\n{\"password\":\"%s\"}\n", "\nDB_PASSWORD='%s'\n", "\nredis://:%s@redis:6379/0\n", "\nAuthorization: Bearer %s\n", "\nserver --password %s --port 80\n"}
	for i := range 5000 {
		secret := "pw" + drawn(uint64(i), alnums, 9) + "9"
		s := randomText(rng, 8) + fmt.Sprintf(forms[i%len(forms)], secret) + randomText(rng, 8)
		if got := New().Text(s); strings.Contains(got, secret) {
			t.Fatalf("survived:\n%q\n%q", s, got)
		}
	}
}

// TestCutOffAnywhere cuts a line at each byte: a piece of the secret long
// enough to be of use must not come out.
func TestCutOffAnywhere(t *testing.T) {
	for _, tc := range structured {
		line := "level=error msg=\"rejected " + tc.secret
		for i := range len(line) {
			got := New().Text(line[:i])
			// Of what a prefix announces, less than its least length may stay.
			if k := strings.Index(line[:i], tc.secret[:2]); i-len("level=error msg=\"rejected ") >= 48 && k >= 0 && strings.Contains(got, tc.secret[:40]) {
				t.Fatalf("%s cut at %d survived: %q", tc.kind, i, got)
			}
		}
	}
}

// TestChanceIsFound draws keys of the usual alphabets and lengths.
func TestChanceIsFound(t *testing.T) {
	for _, tc := range []struct {
		name, alphabet string
		length         int
		miss           int // of 2000, at most
	}{
		{"base64", base64s, 44, 30}, {"url-safe", urlSafe, 43, 30}, {"letters and digits", alnums, 32, 20}, {"base36", lowers + digits, 25, 5},
		{"base32", uppers + "234567", 32, 5}, {"hex", hexes, 32, 0}, {"hex", hexes, 64, 0}, {"aws", base64s, 40, 40},
	} {
		missed := 0
		for i := range 2000 {
			if s := drawn(uint64(i), tc.alphabet, tc.length); strings.Contains(New().Text("got "+s+" from api"), s) {
				missed++
			}
		}
		if missed > tc.miss {
			t.Errorf("%s: missed %d of 2000", tc.name, missed)
		}
	}
}

// TestLongTextTakesLinearTime has the shapes that would cost a careless
// scanner the square of their length.
func TestLongTextTakesLinearTime(t *testing.T) {
	const size = 1 << 16
	for _, piece := range []string{
		"a", "-", ":", "=", "@", "\"", "\\", "<", "eyJ", "a://", "://b:c/", "://a:b", "password=", "password=\"", "token='a://", "auth:x+", "secret: [", "auth:[\"auth:[\",",
		"-----BEGIN A-----", "-----END A-----", "-----BEGIN A-----\n", "password: |\n", "data: {", "data:\n", "<password>", "--password ", "-p ", "mysql -pa", "abc123def456ghi789-",
		"u:p@tcp(", "bearer ", "<redacted:", "&lt;redacted:", "authorization: digest ", "name: token value: ", "AKIA", "ghp_", "\n",
	} {
		took := func(size int) time.Duration {
			s := "\"kind\":\"Secret\" " + strings.Repeat(piece, size/len(piece))
			start := time.Now()
			New().Text(s)
			return time.Since(start)
		}
		// Four times the text takes four times as long, or sixteen times. A
		// busy machine may look like the latter, but not thrice.
		for try := 1; ; try++ {
			short, long := took(size), took(4*size)
			if long < 2*time.Second || long < 10*short {
				break
			}
			if try == 3 {
				t.Errorf("%q repeated: %v, then %v", piece, short, long)
				break
			}
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range plain {
		f.Add(s)
	}
	for _, tc := range planted {
		f.Add(fmt.Sprintf(tc.text, tc.secret))
	}
	f.Fuzz(check)
}

func FuzzValueAndArgs(f *testing.F) {
	f.Add("DB_PASSWORD", "hunter2")
	f.Add("Authorization", "Bearer x")
	f.Add("--password", "x y")
	f.Add("mysql", "-px")
	f.Fuzz(func(t *testing.T, name, value string) {
		r := New()
		got := r.Value(name, value)
		if again := r.Value(name, got); again != got {
			t.Fatalf("Value(%q, %q): %q, then %q", name, value, got, again)
		}
		args := r.Args([]string{name, value, name + "=" + value})
		if again := r.Args(args); fmt.Sprint(again) != fmt.Sprint(args) {
			t.Fatalf("Args of %q and %q: %q, then %q", name, value, args, again)
		}
	})
}
