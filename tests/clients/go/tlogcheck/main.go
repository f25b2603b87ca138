// Command tlogcheck holds a journal directory of Guandao to the Go team's own transparency log packages.
//
// It shares nothing with Guandao: notes are opened by golang.org/x/mod/sumdb/note, trees and proofs are checked by
// golang.org/x/mod/sumdb/tlog. Only the names of files differ between the Go checksum database (tile/8/L/N, data
// tiles) and C2SP tlog-tiles (tile/L/N, entry bundles); they are mapped here.
//
//	apt-get install golang-go golang-golang-x-mod-dev
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go [-key FILE] [-n N] DIR [OLDER-CHECKPOINT]
//
// Exit status: 0 all is true, 1 something is false or cannot be read, 2 bad usage.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// height is the tile height of C2SP tlog-tiles.
const height = 8

// width is the number of hashes in a full tile, and of entries in a full bundle.
const width = 1 << height

func main() {
	keyFile := flag.String("key", "", "file with the journal's verifier key; DIR/key.vkey if absent")
	limit := flag.Int64("n", -1, "prove at most so many entries, the last ones; all if absent")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: tlogcheck [-key FILE] [-n N] DIR [OLDER-CHECKPOINT]")
	}
	flag.Parse()
	if flag.NArg() < 1 || flag.NArg() > 2 {
		flag.Usage()
		os.Exit(2)
	}
	if *keyFile == "" {
		*keyFile = filepath.Join(flag.Arg(0), "key.vkey")
	}
	if err := check(flag.Arg(0), *keyFile, flag.Arg(1), *limit); err != nil {
		fmt.Println("FALSE:", err)
		os.Exit(1)
	}
	fmt.Println("all is true")
}

func check(dir, keyFile, older string, limit int64) error {
	verifier, err := readKey(keyFile)
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(filepath.Join(dir, "checkpoint"), verifier)
	if err != nil {
		return err
	}
	fmt.Printf("checkpoint of %s: %d entries, root %s\n", verifier.Name(), tree.N, tree.Hash)
	tiles := &tiles{dir: dir, seen: make(map[string]bool)}
	hashes := tlog.TileHashReader(tree, tiles)
	proven, err := checkEntries(dir, tree, hashes, limit)
	if err != nil {
		return err
	}
	fmt.Printf("%d entries proven, %d tiles read\n", proven, len(tiles.seen))
	if older == "" {
		return nil
	}
	return checkOlder(older, verifier, tree, hashes)
}

func readKey(path string) (note.Verifier, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %v", path, err)
	}
	return verifier, nil
}

// openCheckpoint verifies a signed note and reads the tree head in it (C2SP tlog-checkpoint).
func openCheckpoint(path string, verifier note.Verifier) (tlog.Tree, error) {
	signed, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s: %v", path, err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("%s: not a checkpoint of %s", path, verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("%s: size %q is no plain decimal number", path, lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("%s: root %q is not the base64 of 32 bytes", path, lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// tiles reads hash tiles for tlog.TileHashReader, which verifies each of them against the tree head.
type tiles struct {
	dir  string
	seen map[string]bool
}

func (t *tiles) Height() int { return height }

// SaveTiles is called with verified tiles; there is nothing to keep them in.
func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		// The checksum database names the height in the path, tlog-tiles does not; the rest is the same.
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		data, err := readResource(t.dir, path, tile.W < width)
		if err != nil {
			return nil, err
		}
		if len(data) > tile.W*tlog.HashSize {
			data = data[:tile.W*tlog.HashSize]
		}
		t.seen[path] = true
		all = append(all, data)
	}
	return all, nil
}

// readResource reads a tile or bundle. In place of a partial one the full one may be there (tlog-tiles).
func readResource(dir, path string, partial bool) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(dir, path))
	if os.IsNotExist(err) && partial {
		full := path[:strings.LastIndex(path, ".p/")]
		if whole, fullErr := os.ReadFile(filepath.Join(dir, full)); fullErr == nil {
			return whole, nil
		}
	}
	return data, err
}

// checkEntries proves that each entry of the bundles is in the tree at its index.
func checkEntries(dir string, tree tlog.Tree, hashes tlog.HashReader, limit int64) (int64, error) {
	if tree.N == 0 {
		return 0, checkEmpty(tree)
	}
	first := int64(0)
	if limit >= 0 && limit < tree.N {
		first = tree.N - limit
	}
	proven := int64(0)
	for number := first / width; number*width < tree.N; number++ {
		entries, err := readBundle(dir, number, tree.N)
		if err != nil {
			return proven, err
		}
		for i, entry := range entries {
			index := number*width + int64(i)
			if index < first {
				continue
			}
			if err := proveEntry(tree, index, entry, hashes); err != nil {
				return proven, fmt.Errorf("entry %d: %v", index, err)
			}
			proven++
		}
	}
	return proven, nil
}

// checkEmpty holds the root of an empty tree to RFC 6962: the hash of the empty string.
func checkEmpty(tree tlog.Tree) error {
	if tree.Hash != tlog.Hash(sha256.Sum256(nil)) {
		return fmt.Errorf("the root of an empty tree is %s", tree.Hash)
	}
	return nil
}

func proveEntry(tree tlog.Tree, index int64, entry []byte, hashes tlog.HashReader) error {
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

// readBundle reads the entries of one bundle that belong to a tree of this size.
func readBundle(dir string, number, size int64) ([][]byte, error) {
	count := size - number*width
	if count > width {
		count = width
	}
	path := strings.Replace(tlog.Tile{H: height, L: 0, N: number, W: int(count)}.Path(),
		fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
	data, err := readResource(dir, path, count < width)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for int64(len(entries)) < count {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s: it ends within entry %d of %d", path, len(entries), count)
		}
		length := int(binary.BigEndian.Uint16(data))
		entries, data = append(entries, data[2:2+length]), data[2+length:]
	}
	return entries, nil
}

// checkOlder proves that the tree begins with the tree of an older checkpoint.
func checkOlder(path string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) error {
	older, err := openCheckpoint(path, verifier)
	if err != nil {
		return err
	}
	if older.N > tree.N {
		return fmt.Errorf("%s has %d entries, the journal only %d", path, older.N, tree.N)
	}
	if older.N == 0 {
		return checkEmpty(older)
	}
	proof, err := tlog.ProveTree(tree.N, older.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash); err != nil {
		return fmt.Errorf("%s: %v", path, err)
	}
	fmt.Printf("consistent with the older checkpoint of %d entries\n", older.N)
	return nil
}
