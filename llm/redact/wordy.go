package redact

// commonPairs holds, for each letter, the letters that often follow it in
// English words and in the identifiers of Kubernetes' own source. These 180 of
// the 676 pairs make up nine tenths of such text, and a quarter of letters
// drawn by chance.
var commonPairs = func() (t [26]uint32) {
	for i, after := range [26]string{
		"bcdgilmnprstu", "aejlu", "aehiklot", "aeis", "acdefilmnpqrstvwx", "aeiou", "eru", "aeiot", "abcdefglmnorstv",
		"e", "eiu", "adeilostuy", "aeipu", "acdefgilost", "bcdlmnprtuvw", "aeiloprty", "u", "aceimnorstu", "ceiopstu",
		"acehioprstuwy", "abceilnprst", "aei", "air", "pt", "cp", "",
	} {
		for k := 0; k < len(after); k++ {
			t[i] |= 1 << (after[k] - 'a')
		}
	}
	return t
}()

// camelCase reports whether v is an identifier with abbreviations in it
// (hcnEnumerateNetworks, cgroupv2CPUWeightFile): of few humps, half wordy.
func camelCase(v string) bool {
	humps := 0
	for i := 1; i < len(v); i++ {
		if isLower(v[i-1]) && isUpper(v[i]) {
			humps++
		}
	}
	pairs, common := countPairs(v)
	return humps*5 <= len(v) && common*2 >= pairs
}

// wordy reports whether the letters of v follow each other as in words.
func wordy(v string) bool {
	pairs, common := countPairs(v)
	return pairs > 0 && common*5 >= pairs*3
}

// surelyWordy is wordy for letters of both cases, where chance is the likelier
// explanation: the fewer pairs there are, the more of them must be common.
func surelyWordy(v string) bool {
	pairs, common := countPairs(v)
	switch {
	case pairs < 8:
		return common*5 >= pairs*4
	case pairs < 20:
		return common*3 >= pairs*2
	}
	return common*5 >= pairs*3
}

// countPairs counts the pairs of letters in v, and those that are common. The
// seams of camel case do not count.
func countPairs(v string) (pairs, common int) {
	for i := 1; i < len(v); i++ {
		a, b := v[i-1]|0x20, v[i]|0x20
		if !isLower(a) || !isLower(b) || isLower(v[i-1]) && isUpper(v[i]) {
			continue
		}
		pairs++
		if commonPairs[a-'a']&(1<<(b-'a')) != 0 {
			common++
		}
	}
	return pairs, common
}

// isWord reports whether v is a word in one case or with a capital.
func isWord(v string) bool {
	for i := 0; i < len(v); i++ {
		if !isAlpha(v[i]) || i > 1 && isUpper(v[i]) != isUpper(v[1]) {
			return false
		}
	}
	return len(v) <= 3 || wordy(v)
}
