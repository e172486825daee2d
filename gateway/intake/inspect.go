package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"gosbridge/gateway/message"
	"gosbridge/policy"
	"gosbridge/policy/fileformat"
)

// inspect lists the files of a letter and what their contents are.
func (in *Intake) inspect(ctx context.Context, s *submission, f *policy.Letter) error {
	for _, part := range s.msg.Files() {
		file := policy.File{
			Name: part.Filename, Declared: part.MediaType, Size: part.DecodedSize,
			Metadata: map[string]string{"description": part.Header.Text("Content-Description")},
		}
		if s.profile.Inspects() && s.profile.FileMax.Allows(part.DecodedSize) {
			facts, err := in.inspectFile(ctx, s, part)
			if err != nil {
				return fmt.Errorf("inspect file: %w", err)
			}
			file.Facts = facts
		}
		f.Files = append(f.Files, file)
	}
	return nil
}

// inspectFile looks into one file. Where its structure needs random access it
// is decoded into memory, under the budget that all sessions share.
func (in *Intake) inspectFile(ctx context.Context, s *submission, part *message.Part) (fileformat.Facts, error) {
	var taken int64
	defer func() { in.budget.Release(taken) }()
	open := func() (io.ReaderAt, error) {
		if err := in.budget.Acquire(ctx, min(part.DecodedSize, inspectBudget)); err != nil {
			return nil, err
		}
		taken = min(part.DecodedSize, inspectBudget)
		octets, err := in.decoded(ctx, s, part)
		return bytes.NewReader(octets), err
	}
	return fileformat.Inspect(ctx, part.Filename, part.MediaType, part.DecodedSize, part.Head, part.Tail, open)
}

// decoded reads a part's decoded octets from the sealed body.
func (in *Intake) decoded(ctx context.Context, s *submission, part *message.Part) (octets []byte, err error) {
	r, err := in.store.Bodies().Open(ctx, s.body, part.BodyOffset)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	octets = make([]byte, part.DecodedSize)
	_, err = io.ReadFull(message.Decode(io.LimitReader(r, part.BodySize), part.Encoding), octets)
	return octets, err
}
