package main

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Stored holds the hashes of a tree in the order of tlog.StoredHashIndex, computed from its entries alone.
type stored []tlog.Hash

// ReadHashes makes stored a tlog.HashReader.
func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		if index < 0 || index >= int64(len(s)) {
			return nil, fmt.Errorf("hash %d is not stored", index)
		}
		hashes = append(hashes, s[index])
	}
	return hashes, nil
}

// ReadEntries reads every entry bundle, and returns the hashes of the entries' tree, which must have the root of tree.
func readEntries(src source, tree tlog.Tree, found *report) (stored, error) {
	hashes := make(stored, 0, 2*tree.N)
	for start := int64(0); start < tree.N; start += tileWidth {
		bundle := tlog.Tile{H: tileHeight, L: -1, N: start / tileWidth, W: tileWidth}
		if left := tree.N - start; left < tileWidth {
			bundle.W = int(left)
		}
		data, err := src.read(pathOf(bundle))
		if err != nil {
			return nil, err
		}
		entries, err := parseBundle(data, bundle.W)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pathOf(bundle), err)
		}
		for i, entry := range entries {
			completed, err := tlog.StoredHashes(start+int64(i), entry, hashes)
			if err != nil {
				return nil, err
			}
			hashes = append(hashes, completed...)
		}
		found.Bundles++
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return nil, err
	}
	if root != tree.Hash {
		return nil, fmt.Errorf("the entries have the root %v, the checkpoint says %v", root, tree.Hash)
	}
	return hashes, nil
}

// ParseBundle splits an entry bundle of exactly width entries: a big-endian uint16 length before each.
func parseBundle(data []byte, width int) ([][]byte, error) {
	entries := make([][]byte, 0, width)
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, fmt.Errorf("entry %d has no length", len(entries))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		if len(data) < end {
			return nil, fmt.Errorf("entry %d ends after the bundle", len(entries))
		}
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != width {
		return nil, fmt.Errorf("%d entries, not %d", len(entries), width)
	}
	return entries, nil
}
