package redact

import (
	"strings"
	"testing"
)

// plain must stay byte for byte: it is what the causes are read from.
var plain = []string{
	// Events and statuses of Kubernetes.
	`secret "db-credentials" not found`,
	`Error: secret "db-credentials" not found`,
	`couldn't find key DB_PASSWORD in Secret shop/db`,
	`Error: couldn't find key password in Secret shop/db-credentials`,
	`MountVolume.SetUp failed for volume "kube-api-access-x7k2p" : failed to fetch token: serviceaccounts "api" not found`,
	`MountVolume.SetUp failed for volume "kube-api-access-x7k2p" : object "shop"/"kube-root-ca.crt" not registered`,
	`MountVolume.SetUp failed for volume "config" : references non-existent secret key: tls.key`,
	`MountVolume.SetUp failed for volume "certs" : secret "shop-tls" not found`,
	`MountVolume.SetUp failed for volume "token" : failed to fetch token: the API server does not have TokenRequest endpoints enabled`,
	`Back-off restarting failed container app in pod web-7d9f8c6b5-x2x9k_shop(0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01)`,
	`Failed to pull image "ghcr.io/acme/api@sha256:3a5f1c9e7b2d4f6a8c0e1b3d5f7a9c2e4b6d8f0a1c3e5b7d9f2a4c6e8b0d1f3a": rpc error: code = NotFound desc = failed to pull and unpack image`,
	`Failed to pull image "registry.example.com/team/auth:1.4.2-rc1": failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://registry.example.com/token?scope=repository%3Ateam%2Fauth%3Apull&service=registry.example.com: 401 Unauthorized`,
	`Failed to pull image "acme/secret-sync:v2.0.1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`,
	`Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.`,
	`Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "3a5f1c9e7b2d4f6a8c0e1b3d5f7a9c2e4b6d8f0a1c3e5b7d9f2a4c6e8b0d1f3a": plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized: Unauthorized`,
	`Readiness probe failed: Get "http://10.244.1.17:8080/healthz": dial tcp 10.244.1.17:8080: connect: connection refused`,
	`Liveness probe failed: HTTP probe failed with statuscode: 503`,
	`dial tcp 10.0.3.7:5432: connect: connection refused`,
	`dial tcp: lookup auth-db.shop.svc.cluster.local on 10.96.0.10:53: no such host`,
	`0/5 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 4 Insufficient memory. preemption: 0/5 nodes are available`,
	`Created container: app`,
	`Successfully assigned shop/web-7d9f8c6b5-x2x9k to gke-prod-default-pool-3f2a1b4c-x7k2`,
	`Scaled up replica set payments-api-6c8f9d7b54 from 2 to 3`,
	`Successfully provisioned volume pvc-0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01`,
	`Multi-Attach error for volume "pvc-0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01" Volume is already exclusively attached to one node`,
	`AttachVolume.Attach failed for volume "pvc-1": rpc error: code = Internal desc = Could not attach volume "vol-0a1b2c3d4e5f67890" to node "i-0abcd1234efab5678"`,
	`secrets "db" is forbidden: User "system:serviceaccount:shop:api" cannot get resource "secrets" in API group "" in the namespace "shop"`,
	`secrets is forbidden: User "alice@example.com" cannot list resource "secrets" in API group "" at the cluster scope`,
	`Unable to authenticate the request: [invalid bearer token, service account token has expired]`,
	`error validating token: token: expired`,
	`invalid bearer token, Token has been invalidated`,
	`failed to refresh token: oauth2: cannot fetch token: 401 Unauthorized`,
	`x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "kubernetes")`,
	`Internal error occurred: failed calling webhook "validate.nginx.ingress.kubernetes.io": failed to call webhook: Post "https://ingress-nginx-controller-admission.ingress-nginx.svc:443/networking/v1/ingresses?timeout=10s": context deadline exceeded`,
	`Get "https://10.96.0.1:443/api/v1/namespaces/shop/secrets/db-credentials": dial tcp 10.96.0.1:443: i/o timeout`,
	`Get "https://A1B2C3D4E5F6A7B8C9D0E1F2A3B4C5D6.gr7.us-east-1.eks.amazonaws.com/api?timeout=32s": EOF`,
	`ensure load balancer: a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6-1234567890.us-east-1.elb.amazonaws.com not ready`,
	`Container image "docker.io/library/nginx@sha256:3a5f1c9e7b2d" already present on machine`,
	`containerd://3a5f1c9e7b2d4f6a8c0e1b3d5f7a9c2e4b6d8f0a1c3e5b7d9f2a4c6e8b0d1f3a`,
	`OCI runtime create failed: runc create failed: unable to start container process: exec: "/app/server": stat /app/server: no such file or directory: unknown`,
	`failed to create shim task: OCI runtime create failed: container_linux.go:380: starting container process caused: process_linux.go:545: container init caused`,
	`Memory cgroup out of memory: Killed process 12345 (java) total-vm:8123456kB, anon-rss:524288kB, file-rss:0kB, oom_score_adj:998`,
	`Unhealthy: couldn't parse "/var/lib/kubelet/pods/0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01/volumes/kubernetes.io~csi/pvc-0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01/mount"`,
	`Error creating: pods "web-7d9f8c6b5-" is forbidden: exceeded quota: compute, requested: limits.memory=1Gi, used: limits.memory=4Gi, limited: limits.memory=4Gi`,
	`issuing certificate as Secret does not exist`,
	`Issuing: Issuing certificate as Secret was previously issued by ClusterIssuer.cert-manager.io/letsencrypt`,
	`could not get secret data from provider: SecretSyncedError`,
	`error retrieving secret "shop/tls-cert": secret shop/tls-cert was not found`,
	`"Failed to get secret" secret="shop/db-credentials" err="secrets \"db-credentials\" not found"`,
	`I0102 15:04:05.123456       1 controller.go:114] "Starting" controller="secret-sync" controllerKind="Secret" worker count=4`,
	`event web-7d9f8c6b5-x2x9k.17c3e5a9b8d7f601 reported by kubelet`,

	// Manifests that name secrets without holding them.
	"imagePullSecrets:\n- name: regcred",
	"env:\n- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      key: password\n      name: db-credentials",
	`{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db-credentials","key":"password"}}}`,
	"volumes:\n- name: creds\n  secret:\n    secretName: db-credentials\n    defaultMode: 420",
	"serviceAccountToken:\n  audience: vault\n  expirationSeconds: 3607\n  path: token",
	`automountServiceAccountToken: false`,
	`      DB_PASSWORD:  <set to the key 'password' in secret 'db-credentials'>  Optional: false`,
	`{"tokenExpirationSeconds":3600,"token_ttl":"24h","max_tokens":4096,"total_tokens": 1234}`,
	`existingSecret: db-credentials`,
	`tls:\n- hosts: [shop.example.com]\n  secretName: shop-tls`,
	`password: $(DB_PASSWORD)`,
	`password: ${DB_PASSWORD}`,
	`API_TOKEN: ${{ secrets.API_TOKEN }}`,
	`basic_auth_username: app`,
	`auth: no such user`,
	`auth=ldap backend=auth`,
	`{"auth":"oidc"}`,
	`password: {{ .Values.db.password }}`,
	`DB_PASSWORD_FILE=/run/secrets/db-password`,
	`GOOGLE_APPLICATION_CREDENTIALS=/var/run/secrets/gcp/key.json`,
	`--tls-private-key-file=/etc/kubernetes/pki/apiserver.key --service-account-signing-key-file=/etc/kubernetes/pki/sa.key`,
	`--authorization-mode=Node,RBAC --authentication-token-webhook=true --token-auth-file=/etc/tokens.csv`,
	`kubectl create secret generic db --from-file=/tmp/password.txt`,
	`password: ""`,
	`password: null`,
	`password: [REDACTED]`,
	`password=[FILTERED] token=*** secret=••••`,
	`Authorization: Bearer `,
	`PASS: TestServer (0.01s)`,
	`tests pass=3 fail=0`,
	`PWD=/usr/src/app`,
	"Data\n====\npassword:  8 bytes\nusername:  3 bytes",
	`docker run --user 1000:1000 -p 8080:80 nginx`,
	`secret=true token=false auth=1`,

	// Databases, brokers, web servers.
	`FATAL: password authentication failed for user "app"`,
	`pq: password authentication failed for user "app"`,
	`Access denied for user 'app'@'10.0.0.1' (using password: YES)`,
	`NOAUTH Authentication required.`,
	`WRONGPASS invalid username-password pair or user is disabled.`,
	`SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string`,
	`redis.exceptions.AuthenticationError: invalid username-password pair`,
	`error: The password is incorrect. Set --password or --password-file.`,
	`flag --token is required when --auth-provider=oidc is set`,
	`  --token string              Bearer token for authentication to the API server`,
	`level=info ts=2024-01-02T15:04:05.123456789Z caller=main.go:42 msg="listening" address=0.0.0.0:9090 version=2.51.0`,
	`2024/01/02 15:04:05 [error] 29#29: *1 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.0.0.1, server: _, request: "GET /api/v1/orders?id=17 HTTP/1.1", upstream: "http://10.244.1.17:8080/api/v1/orders?id=17"`,
	`trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7 msg="checkout failed"`,
	`built from commit 9f2c1b7d3e5a4c6f8b0d1e2a3c4b5d6e7f809a1b`,
	`SyntaxError: Unexpected token: }`,
	`SyntaxError: Unexpected token < in JSON at position 0`,
	`postgres://app@db.shop.svc:5432/orders?sslmode=disable`,
	`postgres://app:xxxxx@db.shop.svc:5432/orders`,
	`git clone git@github.com:acme/shop.git failed`,
	`mailto:oncall@example.com`,
	`npm_config_registry=https://registry.npmjs.org npm_lifecycle_event=start`,
	`pull ghcr.io/acme/api:v1@sha256:3a5f1c9e7b2d4f6a8c0e1b3d5f7a9c2e4b6d8f0a1c3e5b7d9f2a4c6e8b0d1f3a`,
	`"integrity": "sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg=="`,
	`github.com/pkg/errors v0.9.1 h1:FEBLx1zS214owpjy7qsBeixbURkuhQAwrK5UwLGTwt4=`,

	// Stack traces.
	"panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x6f2a1b]\n\ngoroutine 1 [running]:\nmain.(*Server).handleToken(0xc0000b4000, {0x7f3c1a, 0x10})\n\t/src/cmd/server/main.go:42 +0x1d\ngithub.com/acme/shop/internal/auth.(*TokenSource).Token(0x0)\n\t/go/pkg/mod/k8s.io/client-go@v0.31.0/tools/cache/reflector.go:229 +0x18e\nexit status 2",
	"github.com/acme/shop@v0.0.0-20240102150405-abcdef123456/internal/secret/store.go:17",
	"java.lang.IllegalStateException: Failed to load ApplicationContext\n\tat org.springframework.boot.autoconfigure.jdbc.DataSourceProperties$EmbeddedDataSourceBeanCreationException.<init>(DataSourceProperties.java:123)\n\tat com.zaxxer.hikari.pool.HikariPool$PoolInitializationException.access$000(HikariPool.java:58)\n\tat jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method)\n\tat com.acme.auth.OAuth2TokenAuthenticationFilterV2$$EnhancerBySpringCGLIB$$1f2e3d4c.doFilter(<generated>)\nCaused by: io.fabric8.kubernetes.client.KubernetesClientException: Operation: [get] for kind: [Secret] with name: [db] in namespace: [shop] failed.",
	"Traceback (most recent call last):\n  File \"/app/main.py\", line 17, in <module>\n    token = os.environ[\"API_TOKEN\"]\n  File \"/usr/local/lib/python3.12/os.py\", line 685, in __getitem__\n    raise KeyError(key) from None\nKeyError: 'API_TOKEN'",
	"psycopg2.OperationalError: connection to server at \"db.shop.svc\" (10.96.4.2), port 5432 failed: FATAL:  password authentication failed for user \"app\"",
	"Error: Cannot find module '/app/dist/secretsManager.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1140:15)\n    at Object.<anonymous> (/app/node_modules/.pnpm/react-dom@18.2.0_4f2s6gbcqyp4f3x4zq3pcfo6wa/node_modules/react-dom/index.js:3:1) {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: [ '/app/dist/index.js' ]\n}",
	"thread 'main' panicked at 'called `Result::unwrap()` on an `Err` value: NotPresent', src/main.rs:12:45\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
	"System.InvalidOperationException: No authentication handler is registered for the scheme 'Bearer'.\n   at Microsoft.AspNetCore.Authentication.AuthenticationService.AuthenticateAsync(HttpContext context, String scheme)",

	// Names and addresses.
	`ghcr.io/kubefathom/fathom/analyzers/controllers/horizontalpodautoscaler:v1.2.3-rc.1`,
	`apis/networking.k8s.io/v1/namespaces/shop/ingresses/shop-frontend-canary-internal`,
	`kube-prometheus-stack-prometheus-node-exporter-kube-state-metrics-0.monitoring.svc.cluster.local`,
	`FailedToRetrieveImagePullSecret MinimumReplicasUnavailable HorizontalPodAutoscalerScalingLimited`,
	`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 getUserByIdV2WithOAuth2TokenAndSHA256`,
	`/subscriptions/0c5f8d3e-4b1a-4f7e-9a3d-2b6c7d8e9f01/resourceGroups/MC_shop_prod_westeurope/providers/Microsoft.Compute/virtualMachineScaleSets/aks-nodepool1-12345678-vmss/virtualMachines/0`,
	`arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf`,
	`/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0c5f8d3e_4b1a_4f7e_9a3d_2b6c7d8e9f01.slice/cri-containerd-3a5f1c9e7b2d4f6a8c0e1b3d5f7a9c2e4b6d8f0a1c3e5b7d9f2a4c6e8b0d1f3a.scope`,
	`/nix/store/0c5vd3ra8p7k2m9x4q6w1z3y5b8n0j2f-glibc-2.38/lib/libc.so.6`,
	`-----------------------------------------------------------`,
	`node-csr-Xb3kq9ZtR7mW2vYc5LpN8dHs1GfJ4aTe6UoI0rEwQzA approved`,
	`ERROR Passwort für Benutzer »app« ungültig — 認証に失敗しました`,
	"",
}

func TestPlainTextStays(t *testing.T) {
	if len(plain) < 80 {
		t.Errorf("only %d texts", len(plain))
	}
	for _, s := range plain {
		r := New()
		if got := r.Text(s); got != s {
			t.Errorf("changed:\n  %s\n  %s", s, got)
		}
		// The same inside of a JSON log line, and behind a log prefix.
		for _, carrier := range []string{"2024-01-02T15:04:05Z ERROR %", "  %\n", "%\nnext line"} {
			in := strings.Replace(carrier, "%", s, 1)
			if got := New().Text(in); got != in {
				t.Errorf("changed in carrier %q:\n  %s\n  %s", carrier, in, got)
			}
		}
		if r.Count() != 0 {
			t.Errorf("counted %d in %q", r.Count(), s)
		}
	}
}
