package fileformat

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// png walks the chunks and checks each sum (ISO/IEC 15948 §5).
func (s *scan) png(f *Facts) {
	f.Format = PNG
	r := bufio.NewReaderSize(s.section(), 32<<10)
	if _, err := r.Discard(len(magicPNG)); err != nil {
		f.add(Damaged, DetailCut, "")
		return
	}
	end := int64(len(magicPNG))
	for first, data := true, false; ; first = false {
		kind, body, problem := pngChunk(r)
		if problem != DetailNone {
			f.add(Damaged, problem, "")
			return
		}
		end += 12 + body.length
		switch {
		case first != (kind == "IHDR"), first && body.length != 13:
			f.add(Damaged, DetailHeader, "")
			return
		case kind == "IHDR":
			if !s.dimensions(f, binary.BigEndian.Uint32(body.start[:]), binary.BigEndian.Uint32(body.start[4:])) {
				return
			}
		case kind == "pHYs" && body.length == 9 && body.start[8] == 1: // octets per metre
			f.DPI = int(math.Round(float64(binary.BigEndian.Uint32(body.start[:])) * 0.0254))
		case kind == "IDAT":
			data = true
		case kind == "IEND":
			if !data {
				f.add(Damaged, DetailPart, "")
			}
			s.afterEnd(f, end, true)
			return
		}
	}
}

// pngBody is what is kept of a chunk.
type pngBody struct {
	length int64
	start  [13]byte
}

// pngChunk reads one chunk and checks its sum.
func pngChunk(r *bufio.Reader) (kind string, body pngBody, problem Detail) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", body, DetailCut
	}
	length := binary.BigEndian.Uint32(head[:4])
	if length > math.MaxInt32 {
		return "", body, DetailStructure
	}
	body.length = int64(length)
	crc := crc32.NewIEEE()
	crc.Write(head[4:])
	n := min(int(body.length), len(body.start))
	if _, err := io.ReadFull(r, body.start[:n]); err != nil {
		return "", body, DetailCut
	}
	crc.Write(body.start[:n])
	if _, err := io.CopyN(crc, r, body.length-int64(n)); err != nil {
		return "", body, DetailCut
	}
	var sum [4]byte
	if _, err := io.ReadFull(r, sum[:]); err != nil {
		return "", body, DetailCut
	}
	if binary.BigEndian.Uint32(sum[:]) != crc.Sum32() {
		return "", body, DetailSum
	}
	return string(head[4:]), body, DetailNone
}

// dimensions notes width and height; false when they make no sense.
func (s *scan) dimensions(f *Facts, width, height uint32) bool {
	if width == 0 || height == 0 || width > math.MaxInt32 || height > math.MaxInt32 {
		f.add(Damaged, DetailHeader, "")
		return false
	}
	f.Width, f.Height = int(width), int(height)
	if int64(width) > s.limits.Pixels/int64(height) {
		f.add(Pixels, DetailPixels, fmt.Sprintf("%d x %d", width, height))
	}
	return true
}
