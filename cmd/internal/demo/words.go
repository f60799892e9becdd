package demo

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// word is a line of the job's result.
type word struct {
	text  string
	times int
}

// words reads the job's result and counts the texts again, in another way. The result
// has to be the same to the last word.
func (r *run) words() ([]word, error) {
	dir := filepath.Join(r.work, wordcount)
	b, err := os.ReadFile(filepath.Join(dir, "words"))
	if err != nil {
		return nil, grid.Errorf(grid.NotFound, "the words: %w", err)
	}
	got, counted := []word{}, map[string]int{}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		number, text, _ := strings.Cut(s.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("%q is no line of the result", s.Text())
		}
		got = append(got, word{text, n})
		counted[text] += n
	}
	want, err := count(filepath.Join(dir, "texts", "*.txt"))
	if err != nil {
		return nil, err
	}
	if !maps.Equal(want, counted) {
		for text, n := range want {
			if counted[text] != n {
				return got, fmt.Errorf("the jobs have counted %q %d times, and it is there %d times", text, counted[text], n)
			}
		}
		return got, fmt.Errorf("the jobs have counted words that are not in the texts")
	}
	return got, nil
}

// count counts the words of the files, a letter at a time.
func count(pattern string) (map[string]int, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		begin := -1
		for i, c := range append(b, ' ') {
			c |= 0x20 // lower case, of a letter
			switch letter := c >= 'a' && c <= 'z'; {
			case letter && begin < 0:
				begin = i
			case !letter && begin >= 0:
				out[strings.ToLower(string(b[begin:i]))]++
				begin = -1
			}
		}
	}
	return out, nil
}
