package attribution

import "fmt"

// Word is a word of estimative probability of ICD 203, from the first of its two rows. The rows are never mixed, so the second is not used.
type Word string

// The words, with their bands in per cent.
const (
	AlmostNoChance Word = "almost no chance"    // 1 to 5
	VeryUnlikely   Word = "very unlikely"       // 5 to 20
	Unlikely       Word = "unlikely"            // 20 to 45
	EvenChance     Word = "roughly even chance" // 45 to 55
	Likely         Word = "likely"              // 55 to 80
	VeryLikely     Word = "very likely"         // 80 to 95
	AlmostCertain  Word = "almost certain"      // 95 to 99
)

var bands = []struct {
	below int // parts per million
	word  Word
	band  string
}{
	{50_000, AlmostNoChance, "1–5 %"},
	{200_000, VeryUnlikely, "5–20 %"},
	{450_000, Unlikely, "20–45 %"},
	{550_000, EvenChance, "45–55 %"},
	{800_000, Likely, "55–80 %"},
	{950_000, VeryLikely, "80–95 %"},
	{1_000_001, AlmostCertain, "95–99 %"},
}

// WordFor returns the word for a probability in parts per million, and its band. ICD 203 has no word for what is sure: 0 and 1,000,000 get the
// outermost words.
func WordFor(ppm int) (Word, string) {
	for _, b := range bands {
		if ppm < b.below {
			return b.word, b.band
		}
	}
	last := bands[len(bands)-1]
	return last.word, last.band
}

// percent shows parts per million as the nearest per cent, from 1 to 99: nobody knows better than that.
func percent(ppm int) int { return min(99, max(1, (ppm+5000)/10000)) }

// share shows parts per million as per cent, and says when it is less than one.
func share(ppm int) string {
	if ppm < 5000 {
		return "<1 %"
	}
	return fmt.Sprintf("%d %%", percent(ppm))
}

// Level is a level of confidence of ICD 203: how good the ground of a judgement is, not how likely the judgement.
type Level string

// The levels.
const (
	Low      Level = "low"
	Moderate Level = "moderate"
	High     Level = "high"
)

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
