// Package redact is the one gate for text that leaves the process: model
// prompts, Slack messages, CI comments, capture files and reports. Nothing
// below it masks anything, so that no analyzer, renderer or tool can forget to.
//
// A Redactor replaces a secret by a placeholder such as <redacted:jwt#3>. The
// same secret gets the same placeholder for the life of the Redactor, so a
// model can still tell that two pods use the same password. The secrets
// themselves are not kept, only their SHA-256 sums.
//
// # What is masked
//
// Secrets are recognised by their structure first, by the name in front of
// them second, and by chance-like spelling last:
//
//	pem            PEM blocks, also with literal \n, cut off at either end, or base64 once more
//	jwt            JSON web tokens (JWS and JWE), also cut off
//	aws-key        access key ids AKIA… and ASIA…, and the 40-character secret beside them
//	gcp            AIza…, ya29.…, GOCSPX-…, the private_key of a service account
//	azure          AccountKey=, SharedAccessKey=, sig= of a SAS, Entra client secrets
//	github gitlab slack openai anthropic npm stripe sendgrid telegram discord
//	               what the provider documents as its token prefix
//	token          prefixes of further vendors (Vault, Docker Hub, Grafana, PyPI, …)
//	userinfo       the password in scheme://user:password@host, user:password@tcp(host)/db
//	authorization  Authorization headers, "Bearer x", "Basic dXNlcjpwYXNz"
//	dockerconfig   registry credentials, as JSON or base64
//	secret-data    data and stringData of a Secret manifest (last-applied annotations)
//	password       the value beside a secret-sounding name: key=value, key: value,
//	               "key":"value", --key value, <key>value</key>, name/value pairs
//	entropy        runs of 20 and more characters that look drawn by chance
//
// # What is not masked
//
// The text must stay useful for finding a cause, so these stay as they are:
//
//   - host, port, path, database and user name of a URL: they say what was dialled;
//   - names of secrets, keys and files (secretName, secretKeyRef, DB_PASSWORD_FILE):
//     Kubernetes never puts a value there, and a missing Secret is a common cause;
//   - references that are resolved elsewhere: $(VAR), ${VAR}, {{ .x }}, <password>, ***;
//   - words after a secret-sounding word in prose ("invalid token: signature mismatch");
//   - image digests, git commits, UUIDs, pod-template hashes, generated names,
//     container and trace ids in a place that says so, file paths, stack frames.
//
// A wrong replacement costs little (the placeholder is stable, the line still
// reads), a wrong omission cannot be taken back: where the two meet and no
// Kubernetes message is at stake, the value is masked.
//
// # Known misses
//
//   - a password in a sentence, without a name, separator or flag ("log in with
//     hunter2"), and any secret below 20 characters without a name;
//   - keys shaped like a UUID or like a git commit (40 hex digits), without a name;
//   - of an unquoted value of several words in the middle of a line, all but the
//     first; a secret that is one of a few words such as "none" or "invalid";
//   - a value whose name comes behind it ({"value":…,"name":"PASSWORD"}), and the
//     value of a flag in another argument that itself begins with a dash;
//   - about one in a hundred keys of 32 to 44 random characters without a name,
//     whose letters happen to look like words;
//   - encodings other than base64, URL and JSON escapes, and YAML lines that
//     continue a plain or quoted value.
//
// Placeholder numbers of two Redactors are not related: keep one per session,
// and do not mix the text of two captures.
package redact
