package attribution

// Styles of names that no operator stands behind, used where no lists are given: counts of traits alone, no names. They were counted on half of
// the public lists of commodity phishing and of ordinary sites in November 2026 by TestMeasuredStyles, which prints this table; the other half
// is what TestEvaluation asks about.
var (
	measuredPhishing = style{n: 28256, seen: [features][14]int{
		{9417, 580, 559, 504, 182, 37, 232, 294, 0, 4948, 575, 4694, 4898, 1336},
		{18026, 6281, 3949},
		{24449, 3807},
		{2399, 4697, 6170, 9087, 5903},
		{24279, 3467, 510},
		{16997, 706, 2570, 65, 151, 709, 4068, 1164, 1350, 476},
		{24013, 3418, 825},
	}}
	measuredOrdinary = style{n: 15814, seen: [features][14]int{
		{6243, 1037, 2203, 107, 72, 12, 127, 62, 0, 229, 2113, 2732, 401, 476},
		{14811, 935, 68},
		{14945, 869},
		{4997, 4811, 3335, 1807, 864},
		{14803, 968, 43},
		{13162, 59, 177, 735, 48, 706, 177, 208, 81, 461},
		{12615, 1503, 1696},
	}}
)
