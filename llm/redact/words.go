package redact

import "strings"

// A trait is a part that one word can play in a name. A word may play several:
// "client" makes a value of the secret behind it.
type trait uint32

const (
	isPassword  trait = 1 << iota // a secret by itself
	isPass                        // short for password, but tests pass too
	isToken                       // a secret, unless it is counted or turns pages
	isTokens                      // mostly a number of them
	isSecret                      // the value, or the Kubernetes object
	isCred                        // credentials
	isAuth                        // the secret, or the subsystem
	isHeader                      // the Authorization header
	isKey                         // a secret key if its owner says so
	isCookie                      // cookies carry sessions
	isSignature                   // of a signed URL
	isDocker                      // .dockerconfigjson
	isUser                        // BASIC_AUTH_USER is no secret
	ownsKey                       // api key, access key: surely a secret
	ownsMaybe                     // app key, server key: perhaps a secret
	ownsAzure                     // AccountKey, SharedAccessKey
	ownsValue                     // client secret, session secret: never an object
	ownsObject                    // tlsSecret, existingSecret: an object's name
	counts                        // max_tokens, nextPageToken: no secret behind it
	renames                       // secretName, token_ttl: no secret any more
	isID                          // renames, but Vault's secret_id is a secret
)

// traits is the vocabulary of names.
var traits = vocabulary([]struct {
	trait trait
	words string
}{
	{isPassword, `password passwords passwd passphrase passcode pwd pswd apikey apikeys secretkey accesskey
		privatekey htpasswd pgpass netrc requirepass masterauth masterpass dbpass userpass mypass smtppass
		mailpass rootpass sharedaccesssignature jaas sessionid jsessionid phpsessid`},
	{isPass, `pass pw psw`},
	{isToken, `token jwt bearer pat otp`},
	{isTokens, `tokens`},
	{isSecret, `secret secrets`},
	{isCred, `credential credentials cred creds`},
	{isAuth, `auth authn`},
	{isHeader, `authorization`},
	{isKey, `key keys`},
	{isCookie, `cookie cookies`},
	{isSignature, `signature sig`},
	{isDocker, `dockerconfigjson dockercfg dockerconfig`},
	{isUser, `user username login`},
	{ownsKey, `api access private secret encryption decryption signing master license licence hmac aes
		subscription crypto cipher ingest auth`},
	{ownsMaybe, `ssh rsa app application deploy storage client write admin server service`},
	{ownsAzure, `account shared`},
	{ownsValue, `client api app application session webhook consumer jwt oauth auth hmac cookie signing bot shared totp access`},
	{ownsObject, `existing tls ssl pull external sealed ca cert certificate registry image target source storage config cloud bootstrap password credentials token`},
	{counts, `max min num number total prompt completion input output cached reasoning used remaining next page
		paging continue continuation resume sync unexpected cancellation cursor fencing eos bos pad unk stop special`},
	{isID, `id`},
	{renames, `name names ref refs file files filename path paths dir directory mount mounts volume volumes ttl
		expiration expires expiry expire expired seconds minutes hours days ms age at time timeout date duration
		lifetime interval period rotation count limit limits length len size max min type types version revision
		id ids url urls uri endpoint endpoints host hosts port address addr enabled enable disabled required
		optional exists present valid invalid policy provider providers method methods mode modes namespace class
		store manager controller webhook algorithm alg format prefix suffix issuer audience audiences scope scopes
		review reviews request requests projection usage used budget status state error errors reason message kind spec specs
		field selector label labels annotation annotations resource resources index num total domain header headers
		template plugin plugins strength encoder entropy yaml yml json properties conf cfg ini xml toml sh sql html
		md tpl tmpl crt cert pub fingerprint resolver generator validator filter proxy sidecar operator exporter
		handler group role roles`},
})

func vocabulary(rows []struct {
	trait trait
	words string
}) map[string]trait {
	m := make(map[string]trait, 400)
	for _, row := range rows {
		for _, w := range strings.Fields(row.words) {
			m[w] |= row.trait
		}
	}
	return m
}

// announces are the traits that a name without a secret has none of.
const announces = isPassword | isPass | isToken | isTokens | isSecret | isCred | isAuth | isHeader | isKey | isCookie | isSignature | isDocker

// shapes tells most words from those that announce a secret by their length
// and last letter, which is cheaper than looking them up.
var shapes = func() (t [maxWord + 1]uint32) {
	for w, tr := range traits {
		if tr&announces != 0 {
			t[len(w)] |= 1 << (w[len(w)-1] - 'a')
		}
	}
	for _, e := range endings {
		for n := len(e.text) + 1; n <= maxWord; n++ {
			t[n] |= 1 << (e.text[len(e.text)-1] - 'a')
		}
	}
	return t
}()

// maxWord is the length of the longest word that is read as a whole.
const maxWord = 24

// Names are also written in one word: PGPASSWORD, clientsecret, authtoken.
var endings = [...]struct {
	text  string
	trait trait
}{
	{"password", isPassword},
	{"passwd", isPassword},
	{"passphrase", isPassword},
	{"apikey", isPassword},
	{"secretkey", isPassword},
	{"accesskey", isPassword},
	{"privatekey", isPassword},
	{"authkey", isPassword},
	{"secret", isSecret},
	{"token", isToken},
	{"credentials", isCred},
}

// traitsOf returns the traits of a lower-case word, and the owner glued to it
// if the word is a compound.
func traitsOf(word []byte) (t, owner trait, compound bool) {
	if t, ok := traits[string(word)]; ok {
		return t, 0, false
	}
	if len(word) < 7 {
		return 0, 0, false
	}
	for _, e := range endings {
		if n := len(word) - len(e.text); n > 0 && string(word[n:]) == e.text {
			return e.trait, traits[string(word[:n])], true
		}
	}
	return 0, 0, false
}

// nextWord returns the word of a name that begins at or after name[i], in lower
// case and in buf, and the place behind it; the word is empty at the end. Words
// are the parts between anything that is not a letter, and the humps of camel
// case. Of a word that does not fit buf the end is kept: see endings.
func nextWord(name string, i int, buf []byte) ([]byte, int) {
	for i < len(name) && !isAlpha(name[i]) {
		i++
	}
	start := i
	for i < len(name) && isAlpha(name[i]) && !(i > start && humpAt(name, i)) {
		i++
	}
	return lower(buf, name[max(start, i-len(buf)):i]), i
}

// humpAt reports whether a camel-case word begins at the letter name[i]: at
// fooBar and at the last capital of FOOBar.
func humpAt(name string, i int) bool {
	if !isUpper(name[i]) {
		return false
	}
	return isLower(name[i-1]) || isUpper(name[i-1]) && i+1 < len(name) && isLower(name[i+1])
}
