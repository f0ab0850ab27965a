// Logcheck reads a fedscore log over HTTP with Go's own checksum-database libraries (golang.org/x/mod/sumdb) and checks
// everything it can: the note, every tile against the tree's root, entries against tiles, proofs, consistency with an
// older tree, and a witness's cosignature. It prints what it computed as JSON, for the caller to check in turn.
//
//	logcheck URL LOG-VKEY WITNESS-VKEY OLD-SIZE OLD-ROOT INDEX...
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of a tile, in tree levels

type report struct {
	Origin    string
	Size      int64
	Root      []byte
	Tiles     int
	Entries   int64
	Leaves    map[int64][]byte
	Records   map[int64][][]byte
	Tree      [][]byte
	Cosigners []string
}

func main() {
	if len(os.Args) < 6 {
		fail("usage: logcheck URL LOG-VKEY WITNESS-VKEY OLD-SIZE OLD-ROOT INDEX...")
	}
	source := &source{url: os.Args[1]}
	found, tree := source.checkpoint(os.Args[2], os.Args[3])
	reader := tlog.TileHashReader(tree, source)

	oldSize, err := strconv.ParseInt(os.Args[4], 10, 64)
	check(err)
	oldRoot, err := tlog.ParseHash(os.Args[5])
	check(err)
	growth, err := tlog.ProveTree(tree.N, oldSize, reader)
	check(err)
	check(tlog.CheckTree(growth, tree.N, tree.Hash, oldSize, oldRoot))
	found.Tree = raw(growth)

	for _, argument := range os.Args[6:] {
		index, err := strconv.ParseInt(argument, 10, 64)
		check(err)
		leaves, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		check(err)
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaves[0]))
		found.Leaves[index], found.Records[index] = append([]byte{}, leaves[0][:]...), raw(proof)
	}
	found.Entries = source.entries(tree, reader)
	found.Tiles = source.tiles
	check(json.NewEncoder(os.Stdout).Encode(found))
}

// source is the log's HTTP interface; it is a tlog.TileReader.
type source struct {
	url   string
	tiles int
}

func (s *source) Height() int { return height }

func (s *source) SaveTiles([]tlog.Tile, [][]byte) {}

func (s *source) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		// Go's database names the height, C2SP does not: tile/8/0/x001/002 is tile/0/x001/002.
		data, err := s.get(strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
		s.tiles++
	}
	return all, nil
}

func (s *source) get(path string) ([]byte, error) {
	response, err := http.Get(s.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

func (s *source) checkpoint(logKey, witnessKey string) (*report, tlog.Tree) {
	data, err := s.get("checkpoint")
	check(err)
	verifier, err := note.NewVerifier(logKey)
	check(err)
	opened, err := note.Open(data, note.VerifierList(verifier, newWitness(witnessKey)))
	check(err)
	found := &report{Leaves: map[int64][]byte{}, Records: map[int64][][]byte{}}
	signedByLog := false
	for _, signature := range opened.Sigs {
		if signature.Name == verifier.Name() {
			signedByLog = true
		} else {
			found.Cosigners = append(found.Cosigners, signature.Name)
		}
	}
	lines := strings.Split(opened.Text, "\n")
	if !signedByLog || len(lines) != 4 || lines[0] != verifier.Name() {
		fail("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	found.Origin, found.Size, found.Root = lines[0], size, append([]byte{}, root[:]...)
	return found, tlog.Tree{N: size, Hash: root}
}

// entries reads every bundle and holds each entry against its authenticated leaf hash.
func (s *source) entries(tree tlog.Tree, reader tlog.HashReader) int64 {
	index := int64(0)
	for index < tree.N {
		tile := tlog.Tile{H: height, L: 0, N: index >> height, W: 1 << height}
		if tree.N-index < 1<<height {
			tile.W = int(tree.N - index)
		}
		data, err := s.get(strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1))
		check(err)
		var places []int64
		for at := 0; at < tile.W; at++ {
			places = append(places, tlog.StoredHashIndex(0, index+int64(at)))
		}
		leaves, err := reader.ReadHashes(places)
		check(err)
		for _, leaf := range leaves {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				fail("a bundle ends too early")
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			if tlog.RecordHash(data[2:end]) != leaf {
				fail(fmt.Sprintf("entry %d is not that of the tree", index))
			}
			data = data[end:]
			index++
		}
		if len(data) != 0 {
			fail("a bundle goes on")
		}
	}
	return index
}

// witness verifies cosignature/v1 of C2SP tlog-cosignature.
type witness struct {
	name string
	key  []byte
}

func newWitness(text string) *witness {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		fail("witness key")
	}
	data, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	if len(data) != 33 || data[0] != 4 {
		fail("no key of a witness")
	}
	return &witness{parts[0], data[1:]}
}

func (w *witness) Name() string { return w.name }

func (w *witness) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(w.name+"\n\x04"), w.key...))
	return binary.BigEndian.Uint32(sum[:])
}

func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key, []byte(message), signature[8:])
}

func raw(hashes []tlog.Hash) [][]byte {
	found := [][]byte{}
	for _, hash := range hashes {
		found = append(found, append([]byte{}, hash[:]...))
	}
	return found
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "logcheck:", why)
	os.Exit(1)
}
