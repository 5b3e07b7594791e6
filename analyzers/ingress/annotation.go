package ingress

import "strings"

// nginxPrefix is ingress-nginx's, unless its operator chose another one.
const nginxPrefix = "nginx.ingress.kubernetes.io/"

// A form is what the value of an annotation has to look like.
type form int

const (
	anything form = iota
	number        // strconv.Atoi: no unit
	truth         // strconv.ParseBool
	size          // parser.SizeRegex: 8m, 1024k
	protocol      // one of the backend protocols
)

// nginxAnnotations are those of ingress-nginx (docs/user-guide/nginx-configuration/
// annotations.md, and internal/ingress/annotations/*/main.go), those that a later or
// earlier version has included.
var nginxAnnotations = func() map[string]form {
	out := map[string]form{}
	for f, names := range map[form]string{
		anything: `affinity affinity-canary-behavior affinity-mode allowlist-source-range app-root auth-cache-duration auth-cache-key auth-method
			auth-proxy-set-headers auth-realm auth-request-redirect auth-response-headers auth-secret auth-secret-type auth-signin auth-signin-redirect-param
			auth-snippet auth-tls-error-page auth-tls-match-cn auth-tls-secret auth-tls-verify-client auth-type auth-url base-url-scheme canary-by-cookie
			canary-by-header canary-by-header-pattern canary-by-header-value configuration-snippet connection-proxy-header cors-allow-headers
			cors-allow-methods cors-allow-origin cors-expose-headers custom-headers custom-http-errors custom-response-headers default-backend
			denylist-source-range fastcgi-index fastcgi-params-configmap global-rate-limit-ignored-cidrs global-rate-limit-key global-rate-limit-window
			influxdb-host influxdb-measurement influxdb-server-name ip-allowlist limit-allowlist limit-whitelist load-balance mirror-host mirror-request-body mirror-target
			modsecurity-snippet modsecurity-transaction-id opentelemetry-operation-name permanent-redirect proxy-buffering
			proxy-cookie-domain proxy-cookie-path proxy-http-version proxy-max-temp-file-size proxy-next-upstream proxy-redirect-from proxy-redirect-to
			proxy-request-buffering proxy-ssl-ciphers proxy-ssl-name proxy-ssl-protocols proxy-ssl-secret proxy-ssl-server-name proxy-ssl-verify rewrite-target
			satisfy server-alias server-snippet session-cookie-domain session-cookie-expires session-cookie-max-age session-cookie-name session-cookie-path
			session-cookie-samesite session-cookie-hash ssl-ciphers stream-snippet temporal-redirect upstream-hash-by upstream-hash-by-subset-size upstream-vhost
			secure-verify-ca-secret whitelist-source-range x-forwarded-prefix relative-redirects`,
		number: `auth-keepalive auth-keepalive-requests auth-keepalive-timeout auth-tls-verify-depth canary-weight canary-weight-total cors-max-age
			global-rate-limit influxdb-port limit-burst-multiplier limit-connections limit-rate limit-rate-after limit-rpm limit-rps permanent-redirect-code
			proxy-buffers-number proxy-connect-timeout proxy-next-upstream-timeout proxy-next-upstream-tries proxy-read-timeout proxy-send-timeout
			proxy-ssl-verify-depth temporal-redirect-code`,
		truth: `auth-always-set-cookie auth-keepalive-share-vars auth-tls-pass-certificate-to-upstream canary cors-allow-credentials disable-proxy-intercept-errors
			enable-access-log enable-cors enable-global-auth enable-influxdb enable-modsecurity enable-opentelemetry enable-opentracing enable-owasp-core-rules
			enable-rewrite-log force-ssl-redirect from-to-www-redirect http2-push-preload opentelemetry-trust-incoming-span opentracing-trust-incoming-span
			preserve-trailing-slash secure-backends service-upstream session-cookie-change-on-failure session-cookie-conditional-samesite-none
			session-cookie-secure ssl-passthrough ssl-prefer-server-ciphers ssl-redirect upstream-hash-by-subset use-port-in-redirects use-regex`,
		size:     `client-body-buffer-size proxy-body-size proxy-buffer-size proxy-busy-buffers-size`,
		protocol: `backend-protocol`,
	} {
		for name := range strings.FieldsSeq(names) {
			out[name] = f
		}
	}
	return out
}()

// prefixes tell whose an annotation is, by the controller's name in IngressClasses.
var prefixes = map[string][]string{
	nginxController:   {nginxPrefix},
	nginxIncorporated: {"nginx.org/", "nginx.com/"},
	traefikController: {"traefik.ingress.kubernetes.io/"},
	contourController: {"projectcontour.io/"},
	haproxyTech:       {"haproxy.org/", "haproxy.com/"},
	haproxyIngress:    {"haproxy-ingress.github.io/"},
	kongController:    {"konghq.com/"},
	awsController:     {"alb.ingress.kubernetes.io/"},
}
