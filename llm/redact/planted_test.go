package redact

import (
	"fmt"
	"strings"
	"testing"
)

// planted puts secrets where clusters leak them. In text, the secret stands for
// %s; keep are the words that must still be there.
var planted = []struct {
	kind   string
	text   string
	secret string
	keep   string
}{
	// Passwords beside their name.
	{"password", `password=%s`, "hunter2", "password="},
	{"password", `DB_PASSWORD=%s`, "hunter2", "DB_PASSWORD="},
	{"password", `PGPASSWORD=%s psql -h db -U app`, "hunter2", "psql -h db -U app"},
	{"password", `connecting with user=app password=%s host=db.shop.svc port=5432`, "s3cr3t!", "user=app host=db.shop.svc port=5432"},
	{"password", `host=db user=app password='%s' dbname=orders sslmode=disable`, `it's a "secret"`, "host=db user=app dbname=orders sslmode=disable"},
	{"password", `Server=sql.shop.svc;Database=orders;User Id=sa;Password=%s;Encrypt=yes`, "P@ss;w0rd", "Server=sql.shop.svc Database=orders Encrypt=yes"},
	{"password", `jdbc:postgresql://db:5432/orders?user=app&password=%s&ssl=true`, "hunter2", "jdbc:postgresql://db:5432/orders user=app ssl=true"},
	{"password", `{"level":"debug","user":"app","password":"%s","msg":"login"}`, "correct horse", `"user":"app" "msg":"login"`},
	{"password", `{"password": %s, "user": "app"}`, "12345678", `"user": "app"`},
	{"password", `msg="{\"user\":\"app\",\"password\":\"%s\"}" level=info`, "hunter2", `\"user\":\"app\" level=info`},
	{"password", `{"log":"{\"cfg\":\"{\\\"password\\\":\\\"%s\\\",\\\"port\\\":5432}\"}"}`, "hunter2", `port\\\":5432`},
	{"password", "db:\n  user: app\n  password: %s\n  host: db.shop.svc", "correct horse battery", "user: app\n host: db.shop.svc"},
	{"password", "db:\n  password: \"%s\"  # rotate\n  host: db", "hunter2", "# rotate host: db"},
	{"password", "password: %s # rotate\nuser: app", "letmein", "# rotate user: app"},
	{"password", "password: |\n  %s\nuser: app", "hunter2", "user: app"},
	{"password", "db:\n  password: >-\n    %s\n  user: app", "hunter2", "user: app"},
	{"password", "spring.datasource.password=%s\nspring.datasource.username=app", "hunter2", "spring.datasource.username=app"},
	{"password", "[client]\npassword = %s\nuser = app", "hunter2", "user = app"},
	{"password", `config: {User:app Password:%s Host:db Port:5432}`, "hunter2", "User:app Host:db Port:5432"},
	{"password", `Config(user=app, password=%s, host=db)`, "hunter2", "Config(user=app, host=db)"},
	{"password", `{'user': 'app', 'password': '%s', 'host': 'db'}`, "hunter2", `'user': 'app' 'host': 'db'`},
	{"password", `{:user=>"app", :password=>"%s"}`, "hunter2", `:user=>"app"`},
	{"password", `"password" => "%s"`, "hunter2", "=>"},
	{"password", `cfg["password"] = "%s"`, "hunter2", "cfg"},
	{"password", `{'password': b'%s', 'user': b'app'}`, "hunter2", "b'app'"},
	{"password", `password := "%s"`, "hunter2", "password :="},
	{"password", `<property><name>javax.jdo.option.ConnectionPassword</name><value>%s</value></property>`, "hunter2", "javax.jdo.option.ConnectionPassword </property>"},
	{"password", `<server><id>nexus</id><username>ci</username><password>%s</password></server>`, "hunter2", "<username>ci</username>"},
	{"password", `<datasource user="app" password="%s"/>`, "hunter2", `user="app"`},
	{"password", `ERROR:  syntax error in ALTER USER app WITH PASSWORD '%s'`, "hunter2", "ALTER USER app WITH PASSWORD"},
	{"password", `CREATE USER 'app'@'%%' IDENTIFIED BY '%s'`, "hunter2", "CREATE USER 'app'"},
	{"password", "requirepass %s\nport 6379", "hunter2", "port 6379"},
	{"password", `wrong password: %s`, "hunter2", "wrong password:"},
	{"password", `login failed for app, password: %s (attempt 3)`, "hunter2", "login failed for app (attempt 3)"},
	{"password", `tried passphrase: "%s"`, "open sesame", "tried passphrase:"},
	{"password", `POST /login?user=app&pwd=%s HTTP/1.1`, "hunter2", "POST /login?user=app HTTP/1.1"},
	{"password", `password=%s`, "ab,cd;ef&gh", "password="},
	{"password", `(password=%s)`, "pa)ss", "(password="},
	{"password", `password=%s`, "пароль-слово", "password="},
	{"password", `"env":[{"name":"DB_PASSWORD","value":"%s"},{"name":"DB_HOST","value":"db.shop.svc"}]`, "hunter2", `"DB_PASSWORD" "value":"db.shop.svc"`},
	{"password", "env:\n- name: DB_PASSWORD\n  value: %s\n- name: DB_HOST\n  value: db.shop.svc", "hunter2", "name: DB_PASSWORD value: db.shop.svc"},
	{"password", `Env:[{Name:DB_PASSWORD Value:%s ValueFrom:nil} {Name:DB_HOST Value:db}]`, "hunter2", "Name:DB_PASSWORD Value:db"},
	{"password", `{"key":"api_token","value":"%s"}`, "abc-def", `"key":"api_token"`},
	{"password", `secrets: [other1, %s] region: eu`, "hunter2", "region: eu"},
	{"password", `passwords: ["%s", "other"]`, "hunter2", "passwords:"},

	// Other names of secrets.
	{"password", `token=%s`, "abcdef", "token="},
	{"password", `SECRET=%s`, "opensesame", "SECRET="},
	{"password", `api_key: %s`, "k-7f3a", "api_key:"},
	{"password", `apiKey=%s region=eu`, "7f3a9c", "region=eu"},
	{"password", `X-Api-Key: %s`, "7f3a9c1e", "X-Api-Key:"},
	{"password", `Using API key: %s for region eu`, "7f3a9c1e22", "Using API key: for region eu"},
	{"password", `client_id=shop&client_secret=%s&grant_type=client_credentials`, "7f3a9c", "client_id=shop grant_type=client_credentials"},
	{"password", `"clientSecret":"%s"`, "s3cr3t", "clientSecret"},
	{"password", `private-key: %s`, "MC4CAQAwBQ", "private-key:"},
	{"password", `SECRET_KEY_BASE=%s`, "0f9c1b7d3e5a4c6f", "SECRET_KEY_BASE="},
	{"password", `APP_KEY=%s`, "base64:k9Zr3vQm1xW7tYp5", "APP_KEY="},
	{"password", `DB_PASS=%s`, "letmein", "DB_PASS="},
	{"password", `SMTP_PASSWORD_PROD=%s`, "letmein", "SMTP_PASSWORD_PROD="},
	{"password", `encryption_key=%s`, "0123456789abcdef", "encryption_key="},
	{"password", `{"access_token":"%s","token_type":"Bearer","expires_in":3600}`, "opaque-7f3a", `"token_type":"Bearer","expires_in":3600`},
	{"password", `refreshToken: '%s'`, "opaque-7f3a", "refreshToken:"},
	{"password", `session_secret=%s`, "keyboard cat"[:8], "session_secret="},
	{"password", `Set-Cookie: %s; Path=/; HttpOnly`, "session=7f3a9c1e", "Set-Cookie:"},
	{"password", `credentials=%s`, "svc:hunter2", "credentials="},
	{"password", `vault secret_id=%s role=shop`, "0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01", "role=shop"},
	{"password", `error: invalid token: %s`, "t0k3n-77x!", "error: invalid token:"},
	{"password", `map[X-Auth-Token:[%s] Accept:[*/*]]`, "opaque-7f3a", "Accept:[*/*]"},
	{"aws-key", `aws_secret_access_key = %s`, sampleAWSSecret, "aws_secret_access_key"},

	// Flags in text.
	{"password", `exec: "/app/server --db-password %s --port 8080"`, "hunter2", "/app/server --port 8080"},
	{"password", `running: server --password=%s --port=8080`, "hunter2", "--port=8080"},
	{"password", `"args":["--password","%s","--port","8080"]`, "hunter2", `"--port","8080"`},
	{"password", "args:\n- --token\n- %s\n- --port\n- \"8080\"", "opaque7f3a", `- --port - "8080"`},
	{"password", `java -Djavax.net.ssl.trustStorePassword=%s -jar app.jar`, "changeit", "-jar app.jar"},
	{"password", `sh -c "mysqldump -uroot -p%s orders > /backup/orders.sql"`, "S3cr!et", "mysqldump -uroot orders"},
	{"password", `sh -c "mysql -h db -u root -p'%s' orders"`, "S3cr et", "mysql -h db -u root orders"},
	{"password", `redis-cli -h redis -a %s ping`, "hunter2", "redis-cli -h redis ping"},
	{"password", `curl -u app:%s https://api.shop.svc/health`, "hunter2", "curl -u app: https://api.shop.svc/health"},
	{"password", `curl --user app:%s https://api.shop.svc/health`, "hunter2", "curl --user app: https://api.shop.svc/health"},
	{"password", "curl -s https://api.shop.svc/health \\\n  -u app:%s \\\n  -k", "hunter2", "https://api.shop.svc/health app: -k"},
	{"password", `curl -u "%s:" https://api.shop.svc`, "d2LkV78zLx!t", "https://api.shop.svc"},
	{"password", `user=app pass=%s host=db`, "letmein", "user=app host=db"},
	{"password", `TOKEN ?= %s`, "letmein", "TOKEN ?="},
	{"password", "redis:\n  auth: %s\n  host: redis", "letmein", "host: redis"},
	{"password", `auth=%s host=redis`, "letmein", "host=redis"},
	{"password", `http_auth=%s`, "app:letmein", "http_auth="},
	{"token", `POST https://acme.webhook.office.com/webhookb2/%s 429`, "0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01@0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01/IncomingWebhook/" + sampleHex + "/0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01", "acme.webhook.office.com 429"},
	{"password", `sshpass -p %s ssh root@node`, "hunter2", "sshpass ssh root@node"},
	{"password", `docker login -u ci -p %s ghcr.io`, "hunter2", "docker login -u ci ghcr.io"},
	{"password", `kubectl create secret generic db --from-literal=password=%s`, "hunter2", "kubectl create secret generic db"},
	{"password", `kubeadm join 10.0.0.1:6443 --token %s --discovery-token-ca-cert-hash sha256:3a5f1c9e7b2d`, "abcdef.0123456789abcdef", "kubeadm join 10.0.0.1:6443 sha256:3a5f1c9e7b2d"},

	// Userinfo.
	{"userinfo", `postgres://app:%s@db.shop.svc:5432/orders?sslmode=disable`, "hunter2", "postgres://app: @db.shop.svc:5432/orders?sslmode=disable"},
	{"userinfo", `DATABASE_URL=postgresql://app:%s@db:5432/orders`, "p%40ss", "DATABASE_URL=postgresql://app: @db:5432/orders"},
	{"userinfo", `redis://:%s@redis.shop.svc:6379/0`, "hunter2", "redis://: @redis.shop.svc:6379/0"},
	{"userinfo", `amqp://guest:%s@rabbitmq:5672/%%2f`, "guest1", "amqp://guest: @rabbitmq:5672/"},
	{"userinfo", `mongodb+srv://app:%s@c0.mongodb.net,c1.mongodb.net/orders?retryWrites=true`, "hun@ter2", "mongodb+srv://app: @c0.mongodb.net,c1.mongodb.net/orders?retryWrites=true"},
	{"userinfo", `parse "postgres://app:%s@db:5432/orders": invalid port`, "p/a#ss", "@db:5432/orders invalid port"},
	{"userinfo", `{"url":"https:\/\/ci:%s@git.example.com\/shop.git"}`, "hunter2", `ci: @git.example.com`},
	{"userinfo", `app:%s@tcp(mysql.shop.svc:3306)/orders?parseTime=true`, "hunter2", "app: @tcp(mysql.shop.svc:3306)/orders?parseTime=true"},
	{"userinfo", `DSN=root:%s@tcp(mysql:3306)/orders`, "h=un@ter:2", "DSN=root: @tcp(mysql:3306)/orders"},
	{"userinfo", `root:%s@/orders`, "hunter2", "root: @/orders"},
	{"userinfo", `dial app:%s@db:5432 failed`, "hunter2", "dial app: @db:5432 failed"},
	{"userinfo", `jdbc:oracle:thin:app/%s@db:1521:orcl`, "hunter2", "jdbc:oracle:thin:app/ @db:1521:orcl"},
	{"github", `fatal: could not read from https://%s@github.com/acme/shop.git`, sampleGitHub, "@github.com/acme/shop.git"},
	{"github", `https://x-access-token:%s@github.com/acme/shop`, sampleGitHubApp, "https://x-access-token: @github.com/acme/shop"},
	{"userinfo", `https://%s@o42.ingest.sentry.io/17`, sampleHex, "@o42.ingest.sentry.io/17"},

	// Headers.
	{"authorization", `Authorization: Bearer %s`, "opaque-token-7f3a", "Authorization: Bearer"},
	{"authorization", `Authorization: Basic %s`, b64("app:hunter2"), "Authorization: Basic"},
	{"authorization", `curl -H "Authorization: Bearer %s" https://api.shop.svc/health`, "opaque7f3a9c1e", "https://api.shop.svc/health"},
	{"authorization", `{"headers":{"Authorization":"Bearer %s","Accept":"*/*"}}`, "opaque7f3a9c1e", `"Accept":"*/*"`},
	{"authorization", `map[Accept:[*/*] Authorization:[Bearer %s] User-Agent:[curl/8.0]]`, "opaque7f3a9c1e", "User-Agent:[curl/8.0]"},
	{"authorization", `proxy-authorization=Basic %s`, b64("app:hunter2"), "proxy-authorization=Basic"},
	{"authorization", `sent bearer %s to api.shop.svc`, "opaque7f3a9c1e", "sent bearer to api.shop.svc"},
	{"authorization", `sent Basic %s to api.shop.svc`, b64("app:hunter2"), "to api.shop.svc"},
	{"authorization", `Authorization: Digest username="app", realm="x", nonce="n", %s`, `response="6629fae49393a05397450978507c4ef1"`, "Authorization: Digest"},
	{"authorization", `curl -H 'Authorization: Digest %s' https://api.shop.svc`, `username="app", response="6629fae49393a05397450978507c4ef1"`, "https://api.shop.svc"},
	{"authorization", "authorization: digest %s\nhost: api.shop.svc", `username="app", response="6629fae49393a05397450978507c4ef1"`, "host: api.shop.svc"},
	{"authorization", `Authorization: %s`, "7f3a9c1e22bb", "Authorization:"},
	{"jwt", `Authorization: Bearer %s`, sampleJWT, "Authorization: Bearer"},

	// Cloud accounts.
	{"aws-key", `aws: ` + sampleAWSID + ` %s eu-west-1`, sampleAWSSecret, "eu-west-1"},
	{"aws-key", `bedrock: %s`, "AB" + "SKQmVkcm9ja0FQSUtleS1" + drawn(70, base64s, 108), "bedrock:"},
	{"azure", `DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=%s;EndpointSuffix=core.windows.net`, sampleAzureKey, "AccountName=shop EndpointSuffix=core.windows.net"},
	{"azure", `Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=%s`, sampleAzureKey[:43] + "=", "SharedAccessKeyName=Root"},
	{"azure", `GET https://shop.blob.core.windows.net/c/b?sv=2022-11-02&sp=r&sig=%s&se=2024-01-02 403`, sampleAzureSAS, "shop.blob.core.windows.net/c/b?sv=2022-11-02&sp=r se=2024-01-02 403"},
	{"gcp", `{"type":"service_account","project_id":"shop","private_key":"%s","client_email":"api@shop.iam.gserviceaccount.com"}`, pemBlock("PRIVATE KEY", `\n`), "service_account shop api@shop.iam.gserviceaccount.com"},
	{"gcp", `https://maps.googleapis.com/maps/api/geocode/json?key=%s&address=x`, sampleGCPKey, "maps.googleapis.com address=x"},
	{"password", `X-Amz-Security-Token=%s&X-Amz-Expires=900`, "IQoJb3JpZ2luX2VjE", "X-Amz-Expires=900"},
	{"password", `https://b.s3.amazonaws.com/o?X-Amz-Date=20240102T000000Z&X-Amz-Signature=%s`, sampleHex64, "b.s3.amazonaws.com X-Amz-Date=20240102T000000Z"},

	// Webhooks.
	{"slack", `Post "https://hooks.slack.com/services/%s": context deadline exceeded`, sampleSlackHook, "https://hooks.slack.com/services/ context deadline exceeded"},
	{"discord", `url: https://discord.com/api/webhooks/%s`, sampleDiscord, "https://discord.com/api/webhooks/"},
	{"telegram", `Post "https://api.telegram.org/bot%s/sendMessage": EOF`, sampleTelegram, "api.telegram.org /sendMessage EOF"},

	// Registry credentials.
	{"dockerconfig", `{"auths":{"ghcr.io":{"auth":"%s"}}}`, b64("bot:hunter2"), "ghcr.io"},
	{"dockerconfig", `.dockerconfigjson: %s`, b64(sampleDockerConfig), ".dockerconfigjson:"},
	{"dockerconfig", `data: {config.json: %s}`, b64("{\n  \"auths\": {\"ghcr.io\": {\"auth\": \"Ym90Omh1bnRlcjI=\"}}}"), "config.json:"},

	// PEM.
	{"pem", "tls.key: |\n    %s\ntls.crt: none", strings.ReplaceAll(pemBlock("RSA PRIVATE KEY", "\n"), "\n", "\n    "), "tls.key: tls.crt: none"},
	{"pem", `{"key":"%s","id":"web"}`, pemBlock("EC PRIVATE KEY", `\n`), `"id":"web"`},
	{"pem", "loaded %s\nlistening on 8080", "-----BEGIN PRIVATE KEY-----\n" + pemBody("\n")[:100], "loaded listening on 8080"},
	{"pem", "%s\nlistening on :8080", pemBody("\n") + "\n-----END PRIVATE KEY-----", "listening on :8080"},
	{"pem", "key=%s", "-----BEGIN OPENSSH PRIVATE KEY----- " + pemBody(" ") + " -----END OPENSSH PRIVATE KEY-----", "key="},
	{"pem", "client-key-data: %s", b64(pemBlock("RSA PRIVATE KEY", "\n")), "client-key-data:"},
	{"pem", "%s", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,A1B2\n\n" + pemBody("\n"), ""},

	// Secret manifests.
	{"secret-data", `{"apiVersion":"v1","data":{"greeting":"%s"},"kind":"Secret","metadata":{"name":"db"}}`, "aGVsbG8=", `"greeting" "metadata":{"name":"db"}`},
	{"secret-data", `last-applied: "{\"apiVersion\":\"v1\",\"stringData\":{\"greeting\":\"%s\"},\"kind\":\"Secret\"}"`, "hello", `greeting`},
	{"secret-data", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  greeting: %s\ntype: Opaque\n", "aGVsbG8=", "name: db greeting: type: Opaque"},
	{"secret-data", "stringData:\n  app.conf: |\n    %s\nkind: Secret", "user bob", "app.conf: kind: Secret"},

	// Chance.
	{"entropy", `issued %s to api`, sampleBase64, "issued to api"},
	{"entropy", `https://hooks.example.com/in/%s/post`, sampleBase36, "hooks.example.com/in/ /post"},
	{"entropy", `value: %s`, sampleMixed, "value:"},
	{"entropy", `debug %s==`, sampleBase64[:42], "debug"},
}

func TestPlantedSecretsGo(t *testing.T) {
	if len(planted) < 120 {
		t.Errorf("only %d texts", len(planted))
	}
	for _, tc := range planted {
		text := fmt.Sprintf(tc.text, tc.secret)
		r := New()
		got := r.Text(text)
		if strings.Contains(got, tc.secret) {
			t.Errorf("survived:\n  %s\n  %s", text, got)
			continue
		}
		for _, word := range strings.Fields(tc.keep) {
			if !strings.Contains(got, word) {
				t.Errorf("lost %q:\n  %s\n  %s", word, text, got)
			}
		}
		if !strings.Contains(got, "<redacted:"+tc.kind+"#") {
			t.Errorf("want kind %s:\n  %s\n  %s", tc.kind, text, got)
		}
		// No long piece of it may be left over, either.
		for i := 0; i+8 <= len(tc.secret); i++ {
			if piece := tc.secret[i : i+8]; !strings.Contains(fmt.Sprintf(tc.text, ""), piece) && strings.Contains(got, piece) {
				t.Errorf("left %q:\n  %s\n  %s", piece, text, got)
				break
			}
		}
		if again := r.Text(got); again != got {
			t.Errorf("not idempotent:\n  %s\n  %s", got, again)
		}
	}
}

// carriers are the surroundings a secret known by its form may have.
var carriers = []string{
	"%s",
	"2024-01-02T15:04:05Z ERROR upstream rejected %s (attempt 3)",
	`level=warn msg="bad credential %s" attempt=3`,
	`{"level":"warn","detail":"%s","attempt":3}`,
	`{"log":"{\"detail\":\"%s\",\"attempt\":3}\n"}`,
	"env:\n- name: SETTING\n  value: %s\n- name: OTHER\n  value: plain",
	"SETTING=%s",
	"export SETTING='%s'; run",
	"--setting=%s --verbose",
	"https://api.example.com/v1/check?setting=%s&verbose=1",
	"(%s)", "[%s]", "<%s>", "x,%s,y", "first: %s.",
	"tab\t%s\ttab",
	"line one\n%s\nline two",
	"`%s`",
	"état: %s – fin",
}

func TestStructuredSecretsGoInAnyCarrier(t *testing.T) {
	for _, tc := range structured {
		for _, carrier := range carriers {
			r := New()
			text := fmt.Sprintf(carrier, tc.secret)
			got := r.Text(text)
			if strings.Contains(got, tc.secret) || r.Count() == 0 {
				t.Errorf("%s survived:\n  %s\n  %s", tc.kind, text, got)
				continue
			}
			if !strings.Contains(got, "<redacted:"+tc.kind+"#") {
				t.Errorf("want kind %s:\n  %s\n  %s", tc.kind, text, got)
			}
			for _, word := range strings.Fields(strings.ReplaceAll(carrier, "%s", " ")) {
				if !strings.Contains(got, word) {
					t.Errorf("lost %q:\n  %s\n  %s", word, text, got)
				}
			}
			for i := 0; i+8 <= len(tc.secret); i++ {
				if piece := tc.secret[i : i+8]; strings.Contains(got, piece) {
					t.Errorf("left %q of %s:\n  %s\n  %s", piece, tc.kind, text, got)
					break
				}
			}
		}
	}
}
