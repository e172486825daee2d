package fileformat

import "slices"

// Detail says what exactly is wrong, as an English phrase that is stable, so
// that others can translate it.
type Detail string

// The details.
const (
	DetailNone       Detail = ""
	DetailEmpty      Detail = "it is empty"
	DetailCut        Detail = "it is cut off"
	DetailHeader     Detail = "no valid header"
	DetailEnd        Detail = "no end mark"
	DetailReference  Detail = "no cross-reference table where it should be"
	DetailTrailer    Detail = "no valid trailer"
	DetailAfterEnd   Detail = "other data after the end"
	DetailSum        Detail = "wrong check sum"
	DetailStructure  Detail = "its structure does not hold"
	DetailPart       Detail = "a part is missing"
	DetailUnreadable Detail = "an entry cannot be read"
	DetailMethod     Detail = "an unknown packing method"
	DetailEntries    Detail = "too many entries"
	DetailDepth      Detail = "archives nested too deep"
	DetailRatio      Detail = "packed too densely"
	DetailExpanded   Detail = "too much when unpacked"
	DetailOverlap    Detail = "entries overlap"
	DetailSlow       Detail = "takes too long to check"
	DetailPath       Detail = "a path that leads outside"
	DetailControl    Detail = "a control character"
	DetailPixels     Detail = "beyond the limit"
)

// Details are all details but the empty one.
func Details() []Detail { return slices.Clone(details) }

var details = []Detail{
	DetailEmpty, DetailCut, DetailHeader, DetailEnd, DetailReference,
	DetailTrailer, DetailAfterEnd, DetailSum, DetailStructure, DetailPart,
	DetailUnreadable, DetailMethod, DetailEntries, DetailDepth, DetailRatio,
	DetailExpanded, DetailOverlap, DetailSlow, DetailPath, DetailControl,
	DetailPixels,
}
