package redact

// A level says how much a name alone proves about its value.
type level uint8

const (
	// levelNone: the name says nothing.
	levelNone level = iota
	// levelFaint: only a value that looks like a secret is one (sig, AUTH_BACKEND).
	levelFaint
	// levelMaybe: a secret unless the value is plainly something else, such as
	// a number, an address or a reference (token, secret, PASSWORD_PROD).
	levelMaybe
	// levelSure: whatever stands there is the secret (password, client_secret).
	levelSure
)

// A nameClass is what a name says about the value beside it.
type nameClass struct {
	level level
	kind  kind
	// object: Kubernetes components write the name of a Secret here
	// (secret="shop/db-credentials", tlsSecret: shop-tls).
	object bool
	// method: the way to log in may stand here instead (auth=ldap).
	method bool
}

// classify reads the name from left to right: each word may announce a secret
// (password), make one of a harmless word (api + key), or make something else
// of what came before (secret + Name).
func classify(name string) nameClass {
	if len(name) < 2 {
		return nameClass{}
	}
	var c nameClass
	var prev, prev2 trait
	var buf [maxWord]byte
	for i := 0; ; {
		var word []byte
		if word, i = nextWord(name, i, buf[:]); len(word) == 0 {
			return nameClass{}
		}
		if shapes[len(word)]&(1<<(word[len(word)-1]-'a')) != 0 {
			break
		}
	}
	for words, i := 0, 0; ; words++ {
		var word []byte
		if word, i = nextWord(name, i, buf[:]); len(word) == 0 {
			return c
		}
		t, owner, compound := traitsOf(word)
		if compound {
			prev, prev2 = owner, prev
			words++
		}
		c = c.read(t, prev, prev2, words)
		prev, prev2 = t, prev
	}
}

// read returns the class of a name that so far was c, after one more word t.
func (c nameClass) read(t, prev, prev2 trait, words int) nameClass {
	secret := func(l level) nameClass { return nameClass{level: l, kind: kindPassword} }
	switch {
	case t&isPassword != 0:
		return secret(levelSure)
	case t&isDocker != 0:
		return nameClass{level: levelSure, kind: kindDockerConfig}
	case t&isToken != 0:
		if prev&counts != 0 {
			return nameClass{}
		}
		if words > 0 {
			return secret(levelSure)
		}
		return secret(levelMaybe)
	case t&isTokens != 0:
		if prev&counts != 0 {
			return nameClass{}
		}
		return secret(levelMaybe)
	case t&isSecret != 0:
		if prev&ownsValue != 0 {
			return secret(levelSure)
		}
		return nameClass{level: levelMaybe, kind: kindPassword, object: words == 0 || prev&ownsObject != 0}
	case t&isCred != 0:
		return secret(levelMaybe)
	case t&isPass != 0:
		if words > 0 {
			return secret(levelSure)
		}
		return secret(levelMaybe)
	case t&isKey != 0:
		return c.readKey(prev, prev2)
	case t&isHeader != 0:
		return nameClass{level: levelFaint, kind: kindAuthorization}
	case t&isAuth != 0 && c.level < levelFaint:
		return nameClass{level: levelMaybe, kind: kindPassword, method: true}
	case t&isSignature != 0 && c.level < levelFaint:
		return secret(levelFaint)
	case t&isCookie != 0 && c.level < levelMaybe:
		return secret(levelMaybe)
	case c.level == levelNone:
		return c
	case t&isUser != 0 && prev&isAuth != 0:
		return nameClass{}
	case t&renames != 0:
		if prev&isSecret != 0 && t&isID != 0 {
			return secret(levelMaybe)
		}
		return nameClass{}
	}
	// An unknown word behind it: PASSWORD_PROD is one, token_bucket is none.
	c.level = min(c.level, levelMaybe)
	if c.method {
		c.level = levelFaint // AUTH_BACKEND
	}
	c.object = false
	if c.kind == kindAuthorization {
		c.kind = kindPassword
	}
	return c
}

// readKey returns the class of a name whose last word is "key".
func (c nameClass) readKey(prev, prev2 trait) nameClass {
	switch {
	case prev&ownsAzure != 0, prev&ownsKey != 0 && prev2&ownsAzure != 0:
		return nameClass{level: levelSure, kind: kindAzure}
	case prev&ownsKey != 0 && prev2&isSecret != 0:
		return nameClass{level: levelSure, kind: kindAWS} // SecretAccessKey
	case prev&ownsKey != 0:
		return nameClass{level: levelSure, kind: kindPassword}
	case prev&ownsMaybe != 0:
		return nameClass{level: levelMaybe, kind: kindPassword}
	case prev&(isPassword|isToken) != 0:
		return nameClass{} // passwordKey names the key that holds it
	}
	return c
}

// hides reports whether a setting of this class masks the value as a whole.
func (c nameClass) hides(value string) bool {
	v := trim(value)
	switch c.level {
	case levelNone:
		return false
	case levelFaint:
		if c.kind == kindAuthorization {
			return !harmless(v)
		}
		return looksSecret(v)
	case levelMaybe:
		return !harmless(v) && !structural(v) && !(c.method && isMethod(v))
	default:
		return !harmless(v) && !isPath(v)
	}
}
