// Sumdb checks a whole log that serves C2SP tlog-tiles, with the code that checks the Go checksum database.
//
//	sumdb [-proofs] VKEY DIR|URL [CHECKPOINT...]
//
// Every CHECKPOINT is a file: a checkpoint that the log signed earlier. With -proofs the proofs that the log
// itself makes (GET /v1/proofs/…) are checked too. It prints one line of JSON that says how much was checked,
// and exits 0; or prints what is wrong, and exits 1. Exit 2 is a mistake in the arguments.
//
// Signatures, tree hashes, tile extents and proofs are golang.org/x/mod/sumdb's; what is ours is the paths of
// C2SP tlog-tiles (sumdb's have a height and other names) and the entry bundles, which sumdb does not have.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
)

// Report counts what was found right.
type report struct {
	Origin        string `json:"origin"`
	Size          int64  `json:"tree_size"`
	Root          string `json:"root"`
	Bundles       int    `json:"bundles"`
	TilesByLevel  []int  `json:"tiles_by_level"`
	PartialWidths []int  `json:"partial_widths"` // of the last tile of each level; 0 where it is full
	Inclusion     int    `json:"inclusion_proofs"`
	Consistency   int    `json:"consistency_proofs"`
	Earlier       int    `json:"earlier_checkpoints"`
	ServedProofs  int    `json:"served_proofs"`
}

func main() {
	proofs := flag.Bool("proofs", false, "also check the proofs that the log itself makes")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: sumdb [-proofs] VKEY DIR|URL [CHECKPOINT...]")
	}
	flag.Parse()
	if flag.NArg() < 2 {
		flag.Usage()
		os.Exit(2)
	}
	found, err := check(flag.Arg(0), openSource(flag.Arg(1)), flag.Args()[2:], *proofs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
}

// Check checks the log in src against its verifier key, cheapest first: whatever comes later rests on what came
// before. The entries are under the signed root; the tiles are what the entries make them; proofs are made from
// the tiles, and checked against roots of the entries or of earlier checkpoints.
func check(vkey string, src source, earlier []string, proofs bool) (*report, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("verifier key: %w", err)
	}
	tree, err := readCheckpoint(src, "checkpoint", verifier)
	if err != nil {
		return nil, err
	}
	found := &report{Origin: verifier.Name(), Size: tree.N, Root: tree.Hash.String()}
	hashes, err := readEntries(src, tree, found)
	if err != nil {
		return nil, err
	}
	tiles, err := readTiles(src, tree.N, hashes, found)
	if err != nil {
		return nil, err
	}
	if err := checkProofs(tree, hashes, tiles, found); err != nil {
		return nil, err
	}
	if err := checkEarlier(tree, tiles, earlier, verifier, found); err != nil {
		return nil, err
	}
	if proofs {
		return found, checkServedProofs(src, tree, hashes, found)
	}
	return found, nil
}
