package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The first line of the checksum database's own checkpoints, which tlog.ParseTree insists on.
const sumdbOrigin = "go.sum database tree"

// ReadCheckpoint reads the signed checkpoint at path, and returns the tree that it signs.
func readCheckpoint(src source, path string, verifier note.Verifier) (tlog.Tree, error) {
	signed, err := src.read(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	tree, err := openCheckpoint(signed, verifier)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s: %w", path, err)
	}
	return tree, nil
}

// OpenCheckpoint verifies a signed checkpoint, whose origin must be the name of the key. The two lines after
// the origin are those of the checksum database, so that its parser reads them.
func openCheckpoint(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	origin := verifier.Name() + "\n"
	if !strings.HasPrefix(opened.Text, origin) {
		return tlog.Tree{}, fmt.Errorf("the origin is not %q", verifier.Name())
	}
	return tlog.ParseTree([]byte(sumdbOrigin + "\n" + strings.TrimPrefix(opened.Text, origin)))
}

// CheckEarlier proves each earlier signed checkpoint consistent with the next larger one, and the largest with tree.
func checkEarlier(tree tlog.Tree, tiles tlog.TileReader, paths []string, verifier note.Verifier, found *report) error {
	trees := []tlog.Tree{tree}
	for _, path := range paths {
		signed, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		earlier, err := openCheckpoint(signed, verifier)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if earlier.N < 1 || earlier.N > tree.N {
			return fmt.Errorf("%s: size %d, where the log has %d", path, earlier.N, tree.N)
		}
		trees = append(trees, earlier)
	}
	sort.Slice(trees, func(i, j int) bool { return trees[i].N < trees[j].N })
	reader := tlog.TileHashReader(tree, tiles)
	for i, newer := range trees[1:] {
		if err := checkConsistency(trees[i], newer, reader); err != nil {
			return fmt.Errorf("signed checkpoints: %w", err)
		}
		found.Earlier++
	}
	return nil
}
