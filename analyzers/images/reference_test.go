package images

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	for image, want := range map[string]reference{
		"nginx":                              {host: "docker.io", repo: "library/nginx", tag: "latest"},
		"nginx:1.29":                         {host: "docker.io", repo: "library/nginx", tag: "1.29"},
		"acme/web:2":                         {host: "docker.io", repo: "acme/web", tag: "2"},
		"index.docker.io/library/nginx":      {host: "docker.io", repo: "library/nginx", tag: "latest"},
		"localhost/web:dev":                  {host: "localhost", repo: "web", tag: "dev"},
		"mirror.corp:5000/a/b/c:v1":          {host: "mirror.corp:5000", repo: "a/b/c", tag: "v1"},
		"quay.io/team/app@sha256:0123456789": {host: "quay.io", repo: "team/app", digest: "sha256:0123456789"},
	} {
		if got := parse(image); got != want {
			t.Errorf("parse(%q) = %+v, want %+v", image, got, want)
		}
	}
}

func TestMistake(t *testing.T) {
	digits := strings.Repeat("0a", 32)
	for image, want := range map[string]struct{ why, better string }{
		"":                                    {"it is empty", ""},
		"registry.corp/shop/Web:1.4.2":        {"the repository shop/Web must be in lower case", "registry.corp/shop/web:1.4.2"},
		"https://registry.corp/shop/web:1":    {"it must not start with https://", "registry.corp/shop/web:1"},
		"docker://nginx":                      {"it must not start with docker://", "nginx"},
		"nginx:":                              {"the tag after the colon is empty", ""},
		":1.4.2":                              {"the part before the tag is empty", ""},
		"nginx:1.2:3":                         {"it has two tags, 1.2 and 3", ""},
		"registry.corp:5000/web:1:2":          {"it has two tags, 1 and 2", ""},
		"nginx: 1.29":                         {"it contains white space", "nginx:1.29"},
		"registry.corp/web:{{ .Values.tag }}": {"the placeholder {{ .Values.tag }} was not filled in", ""},
		"registry.corp/web:$TAG":              {"the placeholder $TAG was not filled in", ""},
		"registry.corp//web:1":                {"a part between two slashes is empty", ""},
		"registry.corp/web/:1":                {"a part between two slashes is empty", ""},
		"nginx:feature/x":                     {`the tag "feature/x" must not contain a slash`, ""},
		"registry.corp:5000/web:feature/x":    {`the tag "feature/x" must not contain a slash`, ""},
		"registry.corp/web:1.0+build":         {`"1.0+build" is not a valid tag`, ""},
		"nginx@sha256:abc":                    {"a sha256 digest has 64 hexadecimal digits, and this one does not", ""},
		"nginx@":                              {"the digest after @ is empty", ""},
		"registry.corp/-web:1":                {`"-web" is not a valid part of a repository`, ""},
		"nginx@sha256:" + digits:              {"the runtime cannot parse it", ""},
		"nginx:1.29":                          {"the runtime cannot parse it", ""},
	} {
		if why, better := mistake(image); why != want.why || better != want.better {
			t.Errorf("mistake(%q) = %q, %q; want %q, %q", image, why, better, want.why, want.better)
		}
	}
}

func TestShort(t *testing.T) {
	for image, want := range map[string]string{
		"nginx:1.29": "nginx:1.29",
		"quay.io/a/b@sha256:" + strings.Repeat("ab", 32):                                       "quay.io/a/b@sha256:abababababab…",
		"registry.gitlab.example.com/platform/backend/services/checkout/api-server:2026.11.23": "registry.gitlab.example.com/…/api-server:2026.11.23",
	} {
		if got := short(image); got != want {
			t.Errorf("short(%q) = %q, want %q", image, got, want)
		}
	}
	if got := short(strings.Repeat("é", 300)); !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxImage {
		t.Errorf("short cuts badly: %q", got)
	}
}
