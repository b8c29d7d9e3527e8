package main

import (
	"encoding/json"
	"fmt"
	"math/rand"

	"golang.org/x/mod/sumdb/tlog"
)

const randomSamples = 200

// A sample is an entry, and a tree that has it: 0 <= index < size. Index+1 is a size, too.
type sample struct{ index, size int64 }

// Samples returns the places in a tree of the given size where tiles and subtrees begin and end, under that size and
// under those places, and random ones, the same for the same size.
func samples(size int64) []sample {
	edges := []int64{1, 2}
	for width := int64(tileWidth); width < size; width *= tileWidth {
		last := size - size%width
		edges = append(edges, width-1, width, width+1, last-1, last, last+1)
	}
	edges = append(edges, size/2, size-1, size)
	var picked []sample
	for _, tree := range edges {
		for _, end := range edges {
			if 1 <= end && end <= tree && tree <= size {
				picked = append(picked, sample{end - 1, tree})
			}
		}
	}
	random := rand.New(rand.NewSource(size))
	for i := 0; i < randomSamples; i++ {
		tree := 1 + random.Int63n(size)
		picked = append(picked, sample{random.Int63n(tree), tree})
	}
	return picked
}

// CheckProofs makes proofs for samples from the published tiles: that the entry at index is in the tree of size, and
// that the tree of index+1 begins the tree of size. Roots and leaves are those of the entries.
func checkProofs(tree tlog.Tree, hashes stored, tiles tlog.TileReader, found *report) error {
	reader := tlog.TileHashReader(tree, tiles)
	for _, at := range samples(tree.N) {
		newer, err := treeAt(at.size, hashes)
		if err != nil {
			return err
		}
		older, err := treeAt(at.index+1, hashes)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveRecord(at.size, at.index, reader)
		if err == nil {
			err = tlog.CheckRecord(proof, newer.N, newer.Hash, at.index, hashes.leaf(at.index))
		}
		if err != nil {
			return fmt.Errorf("inclusion of entry %d in the tree of %d: %w", at.index, at.size, err)
		}
		found.Inclusion++
		if err := checkConsistency(older, newer, reader); err != nil {
			return err
		}
		found.Consistency++
	}
	return nil
}

// CheckConsistency proves with hashes from reader that the tree older begins the tree newer.
func checkConsistency(older, newer tlog.Tree, reader tlog.HashReader) error {
	proof, err := tlog.ProveTree(newer.N, older.N, reader)
	if err == nil {
		err = tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash)
	}
	if err != nil {
		return fmt.Errorf("consistency of size %d with size %d: %w", older.N, newer.N, err)
	}
	return nil
}

// CheckServedProofs checks the proofs for the same samples that the log itself makes.
func checkServedProofs(src source, tree tlog.Tree, hashes stored, found *report) error {
	for _, at := range samples(tree.N) {
		newer, err := treeAt(at.size, hashes)
		if err != nil {
			return err
		}
		older, err := treeAt(at.index+1, hashes)
		if err != nil {
			return err
		}
		var served struct {
			Inclusion   tlog.RecordProof `json:"inclusion_proof"`
			Consistency tlog.TreeProof   `json:"consistency_proof"`
		}
		path := fmt.Sprintf("v1/proofs/inclusion?index=%d&tree_size=%d", at.index, at.size)
		if err := readJSON(src, path, &served); err != nil {
			return err
		}
		if err := tlog.CheckRecord(served.Inclusion, newer.N, newer.Hash, at.index, hashes.leaf(at.index)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		path = fmt.Sprintf("v1/proofs/consistency?from=%d&to=%d", older.N, newer.N)
		if err := readJSON(src, path, &served); err != nil {
			return err
		}
		if err := tlog.CheckTree(served.Consistency, newer.N, newer.Hash, older.N, older.Hash); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		found.ServedProofs += 2
	}
	return nil
}

// TreeAt returns the tree of the first size entries.
func treeAt(size int64, hashes stored) (tlog.Tree, error) {
	root, err := tlog.TreeHash(size, hashes)
	return tlog.Tree{N: size, Hash: root}, err
}

func (s stored) leaf(index int64) tlog.Hash { return s[tlog.StoredHashIndex(0, index)] }

func readJSON(src source, path string, value interface{}) error {
	body, err := src.read(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, value); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
