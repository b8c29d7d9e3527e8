// Tessera runs the fsck of Tessera, another implementation of C2SP tlog-tiles, over a whole log.
//
//	tessera VKEY DIR|URL
//
// It reads the checkpoint, every entry bundle and every tile, and exits 0; or prints what is wrong, and exits 1.
// Exit 2 is a mistake in the arguments. (Tessera's own command exits 0 whatever it finds, so CI cannot use it.)
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

// Each worker ends at the first wrong tile that it meets, and fsck blocks when none is left. A changed entry makes
// one tile wrong at each level, so this is enough to be told; whoever runs this sets a limit of time all the same.
const workers = 8

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: tessera VKEY DIR|URL")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
}

func check(vkey, where string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("verifier key: %w", err)
	}
	fetcher, err := openFetcher(where)
	if err != nil {
		return err
	}
	return fsck.New(verifier.Name(), verifier, fetcher, hashBundle, fsck.Opts{N: workers}).Check(context.Background())
}

// OpenFetcher returns the log at a URL, or in a directory.
func openFetcher(where string) (fsck.Fetcher, error) {
	if !strings.HasPrefix(where, "http://") && !strings.HasPrefix(where, "https://") {
		return client.FileFetcher{Root: where}, nil
	}
	root, err := url.Parse(where)
	if err != nil {
		return nil, err
	}
	return client.NewHTTPFetcher(root, nil)
}

// HashBundle returns the leaf hashes of an entry bundle.
func hashBundle(data []byte) ([][]byte, error) {
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(data); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(bundle.Entries))
	for _, entry := range bundle.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}
