package redact

import "strings"

// What looks drawn by chance is judged by parts: a run is cut at its dashes,
// slashes and other signs, since names, paths and identifiers consist of words
// there, and keys do not.

// A part is what was learnt of one part of a run.
type part struct {
	upper, lower, digits int
	numbers              int  // digits in a row count once
	hex                  bool // digits and a-f in one case
	seen                 [4]uint64
}

func readPart(s string) part {
	p := part{hex: true}
	for i := 0; i < len(s); i++ {
		c := s[i]
		p.seen[c>>6] |= 1 << (c & 63)
		switch {
		case isDigit(c):
			p.digits++
			if i == 0 || !isDigit(s[i-1]) {
				p.numbers++
			}
		case isLower(c):
			p.lower++
			p.hex = p.hex && c <= 'f'
		default:
			p.upper++
			p.hex = p.hex && c <= 'F'
		}
	}
	p.hex = p.hex && (p.upper == 0 || p.lower == 0)
	return p
}

// sameCase reports whether v has letters of one case only, or none.
func sameCase(v string) bool {
	var upper, lower bool
	for i := 0; i < len(v); i++ {
		upper = upper || isUpper(v[i])
		lower = lower || isLower(v[i])
	}
	return !upper || !lower
}

// variety returns how many different bytes the part has.
func (p part) variety() int {
	n := 0
	for _, w := range p.seen {
		for ; w != 0; w &= w - 1 {
			n++
		}
	}
	return n
}

// entropy masks the run s[run:i] if it looks drawn by chance, or the parts of
// it that do. It returns where to go on: i, or behind the padding of base64.
func (sc *scanner) entropy(run, i int) int {
	var chance, perhaps, plain int // letters and digits in parts of each sort
	for start := run; start < i; {
		n := spanOf(sc.s[:i], start, "")
		switch sc.judge(start, start+n) {
		case partChance:
			chance += n
		case partPerhaps:
			perhaps += n
		case partPlain:
			plain += n
		}
		start += n + 1
	}
	// Base64 falls apart at its signs: short parts count beside a long one.
	if chance < 8 || chance+perhaps < 13 || sc.isNamed(run) {
		return i
	}
	if (chance+perhaps)*2 > plain*3 {
		return sc.add(sc.core(run, i))
	}
	for start := run; start < i; {
		n := spanOf(sc.s[:i], start, "")
		if n >= minEntropyRun && sc.judge(start, start+n) == partChance && !sc.isNamed(start) {
			sc.add(start, start+n, kindEntropy)
		}
		start += n + 1
	}
	return i
}

// core returns what to mask of a run that looks drawn by chance: all but the
// words around it (in/KEY/post, my-key-KEY). Padding and a plus sign say that
// it is base64, where short words come by chance.
func (sc *scanner) core(run, i int) (start, end int, k kind) {
	s := sc.s
	start, end = run, i
	for end < len(s) && s[end] == '=' && end-i < 2 {
		end++
	}
	if end < len(s) && class[s[end]] != classBreak {
		end = i // "key=" in front of a value is no padding
	}
	if end > i || strings.IndexByte(s[run:i], '+') >= 0 {
		return start, end, sc.entropyKind(start, end)
	}
	for start < end {
		n := spanOf(s[:end], start, "")
		if start+n == end || n > 0 && !isWord(s[start:start+n]) {
			break
		}
		start += n + 1
	}
	for end > start {
		prev := end
		for prev > start && isAlnum(s[prev-1]) {
			prev--
		}
		if prev == start || prev < end && !isWord(s[prev:end]) {
			break
		}
		end = prev - 1
	}
	return start, end, sc.entropyKind(start, end)
}

func (sc *scanner) entropyKind(start, end int) kind {
	v := sc.s[start:end]
	switch {
	case strings.HasPrefix(v, base64PEM):
		return kindPEM
	case strings.HasPrefix(v, "ewog") || strings.HasPrefix(v, "eyAi"):
		for _, h := range dockerHeads {
			if strings.HasPrefix(v, h) {
				return kindDockerConfig
			}
		}
	}
	return kindEntropy
}

type verdict uint8

const (
	partShort   verdict = iota // says nothing
	partPlain                  // a word, a number, a known id
	partPerhaps                // like chance, but short
	partChance                 // looks drawn by chance
)

// maxHash is the length up to which a part in one case is a hash in a name:
// pod-template hashes have 10, EC2 instance ids 17, event names 16 characters.
const maxHash = 17

func (sc *scanner) judge(start, end int) verdict {
	v := sc.s[start:end]
	if len(v) <= 1 {
		return partShort
	}
	if len(v) <= maxHash && len(v) > 3 && sameCase(v) {
		return partPlain // most parts by far
	}
	p := readPart(v)
	switch oneCase := p.upper == 0 || p.lower == 0; {
	case p.upper+p.lower == 0:
		return partPlain // a number
	case len(v) <= 3:
		if oneCase || isWord(v) {
			return partShort
		}
		return partPerhaps
	case p.variety() < 8 && p.variety() <= len(v)/2:
		return partPlain // aaaa…, 0000…
	case oneCase:
		return sc.judgeOneCase(start, v, p)
	case p.numbers <= 1 && camelCase(v), p.digits*3 < len(v) && surelyWordy(v):
		return partPlain // an identifier
	case p.digits == 0 && len(v) <= 8:
		return partPerhaps
	}
	return partChance
}

// judgeOneCase judges a long part with capitals or small letters only: such
// are hashes, and keys in hex, base32 and base36.
func (sc *scanner) judgeOneCase(start int, v string, p part) verdict {
	var plain bool
	switch {
	case p.hex && p.digits > 0:
		plain = len(v) == 40 || sc.isIdentified(start)
	case p.digits == 0:
		plain = len(v) < 24 || wordy(v)
	default:
		// A directory named by a hash (Nix, pnpm, overlay2), but not the key in
		// the path of a webhook.
		plain = start > sc.urlEnd && sc.inPath(start) || p.digits*8 < len(v) && wordy(v)
	}
	if plain {
		return partPlain
	}
	return partChance
}
