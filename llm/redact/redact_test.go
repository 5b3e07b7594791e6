package redact

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func TestSameSecretSamePlaceholder(t *testing.T) {
	r := New()
	first := r.Text("a: password=hunter2 b: password=letmein")
	if want := "a: password=<redacted:password#1> b: password=<redacted:password#2>"; first != want {
		t.Errorf("got  %s\nwant %s", first, want)
	}
	for _, again := range []string{
		r.Text(`{"password":"hunter2"}`),
		r.Text("postgres://app:hunter2@db:5432"),
		r.Text("password: hunter2"),
		r.Value("DB_PASSWORD", "hunter2\n"),
		r.Args([]string{"--password", "hunter2"})[1],
	} {
		if !strings.Contains(again, "<redacted:password#1>") || strings.Contains(again, "hunter2") {
			t.Errorf("got %s", again)
		}
	}
	if got := r.Count(); got != 7 {
		t.Errorf("counted %d, want 7", got)
	}
	if got := New().Text("password=letmein"); got != "password=<redacted:password#1>" {
		t.Errorf("numbers go on in another Redactor: %s", got)
	}
}

func TestKindIsThatOfTheSecretNotOfItsPlace(t *testing.T) {
	r := New()
	r.Text("found " + sampleGitHub)
	for _, s := range []string{"password=" + sampleGitHub, "Authorization: token " + sampleGitHub, "https://" + sampleGitHub + "@github.com"} {
		if got := r.Text(s); !strings.Contains(got, "<redacted:github#1>") {
			t.Errorf("got %s", got)
		}
	}
}

func TestZeroRedactor(t *testing.T) {
	var r Redactor
	if got := r.Text("password=hunter2"); got != "password=<redacted:password#1>" {
		t.Error(got)
	}
}

func TestPlaceholdersAreNotRedacted(t *testing.T) {
	for _, s := range []string{
		`password=<redacted:password#1>`,
		`"password":"<redacted:jwt#12>"`,
		`"password":"\u003credacted:password#1\u003e"`, // encoding/json
		`password: &lt;redacted:password#1&gt;`,        // Slack
		`postgres://app:<redacted:userinfo#1>@db:5432/orders`,
		`app:<redacted:userinfo#1>@tcp(db:3306)/orders`,
		`Authorization: Bearer <redacted:jwt#3>`,
		`Authorization: Basic <redacted:authorization#3>`,
		`--password <redacted:password#3> --port 80`,
		`mysql -p<redacted:password#3> orders`,
		`WITH PASSWORD '<redacted:password#3>'`,
		`<password><redacted:password#3></password>`,
		`https://hooks.slack.com/services/<redacted:slack#3>`,
		`token=<redacted:password#1>,<redacted:password#2>`,
	} {
		r := New()
		if got := r.Text(s); got != s || r.Count() != 0 {
			t.Errorf("changed:\n  %s\n  %s", s, got)
		}
		if got := r.Value("PASSWORD", "<redacted:password#1>"); got != "<redacted:password#1>" {
			t.Errorf("Value: %s", got)
		}
	}
}

func TestASecretCannotHideInAPlaceholder(t *testing.T) {
	for _, s := range []string{
		"password=<redacted:hunter2#1>",
		"password=<redacted:password#hunter2>",
		"password=<redacted:password#1hunter2>",
		"password=<redacted:password#1>hunter2",
		"password=hunter2<redacted:password#1>",
		"password=<redacted:password#hunter2",
	} {
		if got := New().Text(s); strings.Contains(got, "hunter2") {
			t.Errorf("survived: %s", got)
		}
	}
}

func TestValue(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"DB_PASSWORD", "hunter2", "<redacted:password#1>"},
		{"DB_PASSWORD", "hunter2\n", "<redacted:password#1>\n"},
		{"DB_PASSWORD", "a b\nc", "<redacted:password#1>"},
		{"POSTGRES_PASSWORD", "12345", "<redacted:password#1>"},
		{"API_TOKEN", "x", "<redacted:password#1>"},
		{"SECRET", "open-sesame", "<redacted:password#1>"},
		{"JWT_SECRET", "keyboard cat", "<redacted:password#1>"},
		{"AWS_SECRET_ACCESS_KEY", "abc", "<redacted:aws-key#1>"},
		{"STRIPE_API_KEY", sampleStripe, "<redacted:stripe#1>"},
		{"APP_KEY", "base64:abc", "<redacted:password#1>"},
		{"clientSecret", "abc", "<redacted:password#1>"},
		{"PGPASSWORD", "abc", "<redacted:password#1>"},
		{"mysqlpassword", "abc", "<redacted:password#1>"},
		{"OAUTH2_CLIENT_SECRET", "abc", "<redacted:password#1>"},
		{"password.txt", "hunter2", "<redacted:password#1>"},
		{".dockerconfigjson", `{"auths":{}}`, "<redacted:dockerconfig#1>"},
		{".htpasswd", "bob:$apr1$x$y", "<redacted:password#1>"},
		{"X-Api-Key", "abc", "<redacted:password#1>"},
		{"Authorization", "Bearer abc", "Bearer <redacted:authorization#1>"},
		{"Authorization", "abc", "<redacted:authorization#1>"},
		{"authorization", "Bearer " + sampleJWT, "Bearer <redacted:jwt#1>"},
		{"Cookie", "session=abc", "<redacted:password#1>"},
		{"DATABASE_URL", "postgres://app:hunter2@db:5432/orders", "postgres://app:<redacted:userinfo#1>@db:5432/orders"},
		{"MYSQL_DSN", "app:hunter2@tcp(db:3306)/orders", "app:<redacted:userinfo#1>@tcp(db:3306)/orders"},
		{"ConnectionString", "Server=db;User=sa;Password=hunter2", "Server=db;User=sa;Password=<redacted:password#1>"},
		{"SETTINGS", sampleHex, "<redacted:entropy#1>"},
		{"application.yaml", "db:\n  password: hunter2\n", "db:\n  password: <redacted:password#1>\n"},
		{"credentials.json", `{"client_secret":"abc","client_id":"x"}`, `{"client_secret":"<redacted:password#1>","client_id":"x"}`},

		{"PASS", "letmein", "<redacted:password#1>"},
		{"REDIS_AUTH", "letmein", "<redacted:password#1>"},
		{"REDIS_AUTH", "scram-sha-256", ""},
		{"auth", "ldap", ""},
		{"BASIC_AUTH_USER", "app", ""},
		{"BASIC_AUTH", "app:letmein", "<redacted:password#1>"},

		{"PWD", "/", ""},
		{"PWD", "/usr/src/app", ""},
		{"OLDPWD", "/shop/backend", ""},
		{"DB_HOST", "db.shop.svc", ""},
		{"Authorization", "Bearer ", ""},
		{"DB_PASSWORD", "", ""},
		{"DB_PASSWORD", "$(OTHER)", ""},
		{"DB_PASSWORD", "${OTHER}", ""},
		{"DB_PASSWORD", "vault:secret/data/db#password", ""},
		{"DB_PASSWORD_FILE", "/run/secrets/db", ""},
		{"TOKEN_PATH", "/var/run/token", ""},
		{"TOKEN_TTL", "24h", ""},
		{"MAX_TOKENS", "4096", ""},
		{"SECRET_NAME", "db-credentials", ""},
		{"secretName", "db-credentials", ""},
		{"existingSecret", "db-credentials", ""},
		{"AUTH_SERVICE_URL", "http://auth:8080", ""},
		{"AUTH_SERVICE_HOST", "auth.shop.svc", ""},
		{"AUTH_MODE", "oidc", ""},
		{"AUTH_BACKEND", "ldap", ""},
		{"TOKEN_ENDPOINT", "https://sso.example.com/token", ""},
		{"TOKEN_BUCKET_SIZE", "50", ""},
		{"GOOGLE_APPLICATION_CREDENTIALS", "/var/run/gcp/key.json", ""},
		{"AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks/token", ""},
		{"KEYCLOAK_URL", "https://sso.example.com", ""},
		{"MONKEY", "banana", ""},
		{"COMPASS", "north", ""},
		{"PARTITION_KEY", "order_id", ""},
		{"PASSWORD_MIN_LENGTH", "12", ""},
		{"CLIENT_ID", "shop-frontend", ""},
		{"AUTHOR", "bob", ""},
		{"tokenExpirationSeconds", "3600", ""},
		{"SECRET_REFRESH_INTERVAL", "1h", ""},
		{"ENABLE_PASSWORD_AUTH", "true", ""},
		{"SESSION_COOKIE_SECURE", "true", ""},
	}
	for _, tc := range tests {
		want := tc.want
		if want == "" {
			want = tc.value
		}
		r := New()
		got := r.Value(tc.name, tc.value)
		if got != want {
			t.Errorf("Value(%q, %q)\n got %q\nwant %q", tc.name, tc.value, got, want)
		}
		if again := r.Value(tc.name, got); again != got {
			t.Errorf("Value(%q, …) not idempotent:\n%q\n%q", tc.name, got, again)
		}
		if again := r.Text(got); again != got {
			t.Errorf("Text after Value(%q, …):\n%q\n%q", tc.name, got, again)
		}
	}
}

func TestArgs(t *testing.T) {
	const p = "<redacted:password#1>"
	tests := []struct{ args, want []string }{
		{[]string{"server", "--password", "hunter2", "--port", "80"}, []string{"server", "--password", p, "--port", "80"}},
		{[]string{"server", "--password=hunter2", "--port=80"}, []string{"server", "--password=" + p, "--port=80"}},
		{[]string{"server", "-password", "hunter2"}, []string{"server", "-password", p}},
		{[]string{"server", "--db-password", "x y"}, []string{"server", "--db-password", p}},
		{[]string{"server", "--token", "--port", "80"}, nil},
		{[]string{"server", "--token"}, nil},
		{[]string{"server", "--token", "$(TOKEN)"}, nil},
		{[]string{"server", "--api-key=abc"}, []string{"server", "--api-key=" + p}},
		{[]string{"server", "--dsn=app:hunter2@tcp(db:3306)/o"}, []string{"server", "--dsn=app:<redacted:userinfo#1>@tcp(db:3306)/o"}},
		{[]string{"server", "postgres://app:hunter2@db/o"}, []string{"server", "postgres://app:<redacted:userinfo#1>@db/o"}},
		{[]string{"env", "DB_PASSWORD=hunter2", "server"}, []string{"env", "DB_PASSWORD=" + p, "server"}},
		{[]string{"java", "-Dspring.datasource.password=hunter2", "-jar", "a.jar"}, []string{"java", "-Dspring.datasource.password=" + p, "-jar", "a.jar"}},
		{[]string{"sh", "-c", "mysql -uroot -phunter2 shop"}, []string{"sh", "-c", "mysql -uroot -p" + p + " shop"}},
		{[]string{"sh", "-c", "export TOKEN=hunter2; server"}, []string{"sh", "-c", "export TOKEN=" + p + "; server"}},
		{[]string{"mysql", "-h", "db", "-uroot", "-phunter2", "shop"}, []string{"mysql", "-h", "db", "-uroot", "-p" + p, "shop"}},
		{[]string{"/usr/bin/mysqldump", "-phunter2"}, []string{"/usr/bin/mysqldump", "-p" + p}},
		{[]string{"mysql", "-p", "shop"}, nil},
		{[]string{"redis-cli", "-a", "hunter2", "-p", "6379"}, []string{"redis-cli", "-a", p, "-p", "6379"}},
		{[]string{"redis-server", "--requirepass", "hunter2"}, []string{"redis-server", "--requirepass", p}},
		{[]string{"mongosh", "-u", "root", "-p", "hunter2"}, []string{"mongosh", "-u", "root", "-p", p}},
		{[]string{"sshpass", "-p", "hunter2", "ssh", "node"}, []string{"sshpass", "-p", p, "ssh", "node"}},
		{[]string{"curl", "-u", "app:hunter2", "https://x"}, []string{"curl", "-u", "app:" + p, "https://x"}},
		{[]string{"curl", "-uapp:hunter2", "https://x"}, []string{"curl", "-uapp:" + p, "https://x"}},
		{[]string{"curl", "-u", "d2LkV78zLx!t:"}, []string{"curl", "-u", p + ":"}},
		{[]string{"curl", "--user", "app:hunter2"}, []string{"curl", "--user", "app:" + p}},
		{[]string{"curl", "-H", "Authorization: Bearer abc123def"}, []string{"curl", "-H", "Authorization: Bearer <redacted:authorization#1>"}},
		{[]string{"etcdctl", "--user=root:hunter2"}, []string{"etcdctl", "--user=root:" + p}},
		{[]string{"docker", "run", "--user", "1000:1000", "--user=1000:1000"}, nil},
		{[]string{"docker", "login", "-u", "ci", "-p", "hunter2"}, []string{"docker", "login", "-u", "ci", "-p", p}},
		{[]string{"docker", "run", "-p", "8080:80", "nginx"}, nil},
		{[]string{"openssl", "rsa", "-passin", "pass:hunter2"}, []string{"openssl", "rsa", "-passin", "pass:" + p}},
		{[]string{"tool", "-pass", "hunter2"}, []string{"tool", "-pass", p}},
		{[]string{"openssl", "rsa", "-passin", "file:/run/pass"}, nil},
		{[]string{"sqlcmd", "-S", "db", "-U", "sa", "-P", "hunter2"}, []string{"sqlcmd", "-S", "db", "-U", "sa", "-P", p}},
		{[]string{"ldapsearch", "-D", "cn=admin", "-w", "hunter2"}, []string{"ldapsearch", "-D", "cn=admin", "-w", p}},
		{[]string{"kubectl", "create", "secret", "generic", "db", "--from-literal=password=hunter2"}, []string{"kubectl", "create", "secret", "generic", "db", "--from-literal=password=" + p}},
		{[]string{"helm", "upgrade", "--set", "db.password=hunter2"}, []string{"helm", "upgrade", "--set", "db.password=" + p}},
		{[]string{"kubeadm", "join", "--token", "abcdef.0123456789abcdef"}, []string{"kubeadm", "join", "--token", p}},
		{[]string{"server", "-p8080", "-p", "9090"}, nil},
		{[]string{"kube-apiserver", "--authorization-mode=Node,RBAC", "--authentication-token-webhook=true", "--service-account-key-file=/etc/kubernetes/pki/sa.pub", "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key"}, nil},
		{[]string{"server", "--secret-name", "db-credentials", "--token-file", "/run/token", "--password-file=/run/pw"}, nil},
		{[]string{"server", "--auth-provider", "oidc", "--max-tokens", "4096"}, nil},
		{[]string{"/app/server", "--config", "/etc/app/config.yaml", "-v=4"}, nil},
		{nil, nil},
	}
	for _, tc := range tests {
		before := fmt.Sprint(tc.args)
		r := New()
		got := r.Args(tc.args)
		if fmt.Sprint(tc.args) != before {
			t.Errorf("%s was changed to %v", before, tc.args)
		}
		if tc.want == nil {
			if len(got) > 0 && &got[0] != &tc.args[0] || fmt.Sprint(got) != before {
				t.Errorf("%s: got %v", before, got)
			}
			continue
		}
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s:\n got %q\nwant %q", before, got, tc.want)
		}
		if again := r.Args(got); fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("not idempotent:\n%q\n%q", got, again)
		}
	}
}

// TestNoAllocationWithoutSecret holds for the lines of the benchmark, and for
// lines full of words the scanner looks at twice.
func TestNoAllocationWithoutSecret(t *testing.T) {
	r := New()
	for _, s := range append(plain, lines...) {
		if n := testing.AllocsPerRun(10, func() { r.Text(s) }); n != 0 {
			t.Errorf("%v allocations: %s", n, s)
		}
	}
}

func TestLongValues(t *testing.T) {
	for _, n := range []int{100, 5_000, 40_000, 300_000} {
		long := strings.Repeat("ключ-", n/9)
		for _, form := range []string{`{"password":"%s","user":"app"}`, `{\"password\":\"%s\",\"user\":\"app\"}`, `"{\\\"password\\\":\\\"%s\\\"}"`, "password=%s user=app", "password: %s", "--password %s --user"} {
			got := New().Text(fmt.Sprintf(form, long))
			if strings.Contains(got, "ключ") || !utf8.ValidString(got) {
				t.Errorf("%d bytes in %s: %.200q", n, form, got)
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	r := New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				want := r.Text(fmt.Sprintf("password=p%dx!", i%20))
				if got := r.Value("PASSWORD", fmt.Sprintf("p%dx!", i%20)); "password="+got != want {
					t.Errorf("%s and %s", want, got)
				}
				r.Count()
			}
		})
	}
	wg.Wait()
	if got := r.Count(); got != 8*200*2 {
		t.Errorf("counted %d", got)
	}
}
