package main

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// PathOf returns the path of a tile or, at level -1, of an entry bundle, in C2SP tlog-tiles: sumdb's has the
// height in it, and calls the entries data.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if tile.L == -1 {
		path = "entries/" + strings.TrimPrefix(path, "data/")
	}
	return "tile/" + path
}

// Published holds the tiles of one tree as the log publishes them. It is a tlog.TileReader.
type published map[tlog.Tile][]byte

// ReadTiles reads every tile of the tree of the given size, each of which must be what the entries' hashes make it.
// That comparison is what is relied on: the TileHashReader of this x/mod leaves some tiles unchecked.
func readTiles(src source, size int64, hashes stored, found *report) (published, error) {
	tiles := published{}
	for _, tile := range tlog.NewTiles(tileHeight, 0, size) {
		expected, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return nil, err
		}
		data, err := src.read(pathOf(tile))
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(data, expected) {
			return nil, fmt.Errorf("%s is not what the entries make it", pathOf(tile))
		}
		tiles[tile] = data
		found.count(tile)
	}
	return tiles, nil
}

func (r *report) count(tile tlog.Tile) {
	if tile.L == len(r.TilesByLevel) {
		r.TilesByLevel = append(r.TilesByLevel, 0)
		r.PartialWidths = append(r.PartialWidths, 0)
	}
	r.TilesByLevel[tile.L]++
	r.PartialWidths[tile.L] = tile.W % tileWidth
}

func (p published) Height() int { return tileHeight }

func (p published) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, 0, len(tiles))
	for _, tile := range tiles {
		content, ok := p[tile]
		if !ok {
			return nil, fmt.Errorf("%s is no tile of this tree", pathOf(tile))
		}
		data = append(data, content)
	}
	return data, nil
}

func (p published) SaveTiles([]tlog.Tile, [][]byte) {}
