package submit

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// include reads another file in place of the statement.
func (r *reading) include(s *statement) {
	before, after, ok := strings.Cut(s.value, ":")
	option := fold(strings.TrimSpace(before))
	name, expanded := r.expanded(strings.TrimSpace(after), s.at)
	switch {
	case !expanded:
		return
	case !ok || name == "":
		r.fail(s.pos, "an include names a file", "As in: include : common.sub")
		return
	case strings.HasPrefix(option, "command") || strings.HasSuffix(name, "|"):
		r.fail(s.pos, "an include of a command's output is not possible here", "Run the command before, and include the file that it writes.")
		return
	case option != "" && option != "ifexist":
		r.fail(s.pos, quote(option)+" is not an option of include", "Write include : file, or include ifexist : file.")
		return
	case r.depth >= 10:
		r.fail(s.pos, "files include each other more than 10 deep", "")
		return
	}
	file := r.site.path(name)
	src, err := readFile(r.files, file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && option == "ifexist":
		return
	case err != nil:
		r.fail(s.pos, grid.MessageOf(unreadable(file, err)), "")
		return
	}
	f, diags := Parse(file, src)
	r.diags = append(r.diags, diags...)
	r.depth++
	r.execute(f)
	r.depth--
}

func readFile(files Files, name string) ([]byte, error) {
	if files == nil {
		return nil, grid.Errorf(grid.Refused, "no files can be read here")
	}
	return files.ReadFile(name)
}

// unreadable says why a file that a person named cannot be used.
func unreadable(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return grid.Errorf(grid.NotFound, "there is no file %s", name)
	}
	return grid.Errorf(grid.Refused, "the file %s cannot be read: %s", name, grid.MessageOf(asRefused(err)))
}

// readQueue reads a queue statement:
//
//	queue [count] [vars] [in|from|matching [files|dirs] [slice] list]
func (r *reading) readQueue(s *statement) (*Queue, bool) {
	if s.table != nil {
		return r.readTable(s)
	}
	q := &Queue{PerItem: 1, Pos: s.pos}
	text, ok := r.queueText(s.value, s.at)
	if !ok {
		return nil, false
	}
	head, mode, list := text, "", ""
	for _, w := range []string{"in", "from", "matching"} {
		if before, after, ok := cutWord(text, w); ok && len(before) < len(head) {
			head, mode, list = before, w, after
		}
	}
	if mode == "" && s.lines != nil {
		r.fail(s.at, "a list needs in, from or matching before it", "")
		return nil, false
	}
	count, names := strings.TrimSpace(head), ""
	if mode != "" {
		count, names = cutVars(count)
	}
	if count != "" {
		if q.PerItem, ok = r.count(count, s.at); !ok {
			return nil, false
		}
	}
	if mode == "" {
		return q, r.bounded(q)
	}
	for name := range strings.FieldsFuncSeq(names, func(c rune) bool { return c == ',' || blank(c) }) {
		if !macro.ValidName(name) {
			r.fail(s.at, quote(name)+" is no name for a variable", "As in: queue 2 name,size from list.txt")
			return nil, false
		}
		q.Vars = append(q.Vars, name)
	}
	if len(q.Vars) == 0 {
		q.Vars = []string{"Item"}
	}
	r.rowNumbers = nil
	items, ok := r.items(s, mode, list)
	if !ok {
		return nil, false
	}
	return q, r.fill(q, items, s.at) && r.bounded(q)
}

// queueText expands the macros of a queue line. Live ones may stand in the items,
// where they are expanded with each job.
func (r *reading) queueText(value string, at Pos) (string, bool) {
	var b strings.Builder
	if _, err := r.expander(at).Expand(&b, value); err != nil {
		r.fail(at, grid.MessageOf(err), "")
		return "", false
	}
	return strings.TrimSpace(b.String()), true
}

// cutVars cuts the count off before the names of variables.
func cutVars(s string) (count, names string) {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if letter && (i == 0 || blank(rune(s[i-1]))) {
			return strings.TrimSpace(s[:i]), s[i:]
		}
	}
	return s, ""
}

func (r *reading) count(text string, at Pos) (int, bool) {
	e, err := ad.Parse(text)
	if err != nil {
		r.fail(at, quote(text)+" is no number of jobs", "Write queue, queue 10 or queue x in (a b c).")
		return 0, false
	}
	v := ad.Instant(r.site.Now.Unix()).Eval(e, nil, nil)
	f, ok := v.Number()
	if !ok || f < 0 || f > grid.MaxProcs {
		r.fail(at, quote(text)+" is no number of jobs", "It is "+v.String()+"; a queue statement makes 0 to "+strconv.Itoa(grid.MaxProcs)+" jobs.")
		return 0, false
	}
	return int(f), true
}

// bounded refuses more procs than a cluster can have.
func (r *reading) bounded(q *Queue) bool {
	n := q.PerItem
	if len(q.Vars) > 0 {
		n *= len(q.Items)
	}
	for _, s := range r.sections {
		n += s.Len()
	}
	if n > grid.MaxProcs {
		r.fail(q.Pos, "a cluster cannot have more than "+strconv.Itoa(grid.MaxProcs)+" jobs", "")
		return false
	}
	return true
}

// items are the texts of the list, sliced.
func (r *reading) items(s *statement, mode, list string) ([]string, bool) {
	list = strings.TrimSpace(list)
	what := ""
	if mode == "matching" {
		for _, w := range []string{"files", "dirs", "any"} {
			if before, after, ok := cutWord(list, w); ok && before == "" {
				what, list = w, strings.TrimSpace(after)
				break
			}
		}
	}
	cut := ""
	if strings.HasPrefix(list, "[") {
		end := strings.IndexByte(list, ']')
		if end < 0 {
			r.fail(s.at, "the slice is not closed", "As in: queue x in [:10] (a b c)")
			return nil, false
		}
		cut, list = list[1:end], strings.TrimSpace(list[end+1:])
	}
	var items []string
	var ok bool
	switch mode {
	case "in":
		items, ok = splitList(unparenthesized(list)), true
		for _, line := range listLines(s.lines) {
			items = append(items, splitList(line)...)
		}
	case "from":
		items, ok = r.rows(s, list)
	case "matching":
		patterns := splitList(unparenthesized(list))
		for _, line := range listLines(s.lines) {
			patterns = append(patterns, splitList(line)...)
		}
		items, ok = r.matching(s, patterns, what)
	}
	if !ok || cut == "" {
		return items, ok
	}
	return r.slice(s, items, cut)
}

// listLines are the lines of a list without its comments.
func listLines(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(strings.TrimLeftFunc(l, blank), "#") })
}

func unparenthesized(list string) string {
	if inner, ok := strings.CutPrefix(list, "("); ok {
		return strings.TrimSuffix(strings.TrimSpace(inner), ")")
	}
	return list
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || blank(c) })
}

// rows are the lines of a file, or those within parentheses.
func (r *reading) rows(s *statement, list string) ([]string, bool) {
	switch {
	case strings.HasPrefix(list, "("):
		return itemLines(append([]string{unparenthesized(list)}, s.lines...)), true
	case list == "" || list == "-":
		r.fail(s.at, "from needs a file or a list in parentheses", "As in: queue name,size from list.txt")
		return nil, false
	case strings.HasSuffix(list, "|"):
		r.fail(s.at, "items from a command's output are not possible here", "Run the command before, and give the file that it writes.")
		return nil, false
	}
	items, err := linesOf(r.site, r.files, strings.Trim(macro.Finish(list), `"`))
	if err != nil {
		r.fail(s.at, grid.MessageOf(err), "")
		return nil, false
	}
	// In a file every line is an item, as in HTCondor, also an empty one.
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	if n := len(items); n > 0 && items[n-1] == "" {
		items = items[:n-1] // what is behind the last line's end
	}
	if i := slices.Index(items, ""); i >= 0 {
		r.warn(s.at, "line "+strconv.Itoa(i+1)+" of "+list+" is empty, and a job is made of it", "Take empty lines away.")
	}
	return items, true
}

func (r *reading) matching(s *statement, patterns []string, what string) ([]string, bool) {
	for i := range patterns {
		patterns[i] = macro.Finish(patterns[i])
	}
	items, err := ItemsMatching(r.site, r.files, patterns, what)
	if err != nil {
		r.fail(s.at, grid.MessageOf(err), "")
		return nil, false
	}
	return items, true
}

// ItemsFrom are the items that a file lists, one a line. Empty lines and those that
// begin with # are none.
func ItemsFrom(site *Site, files Files, name string) ([]string, error) {
	lines, err := linesOf(site, files, name)
	return itemLines(lines), err
}

func linesOf(site *Site, files Files, name string) ([]string, error) {
	file := site.path(name)
	src, err := readFile(files, file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	return strings.Split(strings.ToValidUTF8(string(src), "\ufffd"), "\n"), nil
}

func itemLines(lines []string) []string {
	kept := lines[:0]
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			kept = append(kept, line)
		}
	}
	return kept
}

// ItemsMatching are the names that the patterns match, each once, in the patterns'
// order: all of them, or only "files" or "dirs". Relative patterns give relative
// names, and a directory's ends with a slash.
func ItemsMatching(site *Site, files Files, patterns []string, what string) ([]string, error) {
	if len(patterns) == 0 {
		return nil, grid.Errorf(grid.Invalid, "matching needs a pattern, as in: matching *.dat")
	}
	if files == nil {
		return nil, grid.Errorf(grid.Refused, "no files can be read here")
	}
	var names []string
	seen := map[string]bool{}
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, grid.Errorf(grid.Invalid, "%q is no pattern", p)
		}
		found, err := files.Glob(site.path(p))
		if err != nil {
			return nil, unreadable(p, err)
		}
		for _, name := range found {
			if !strings.HasPrefix(p, "/") {
				name = strings.TrimPrefix(name, strings.TrimSuffix(site.Dir, "/")+"/")
			}
			if seen[name] {
				continue
			}
			info, err := files.Stat(site.path(name))
			isDir := err == nil && info.Mode.IsDir()
			if (what == "files" || what == "dirs") && (err != nil || isDir != (what == "dirs")) {
				continue
			}
			seen[name] = true
			if isDir {
				name += "/"
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// SplitItems makes rows of items, for n variables: an item is split at commas or
// blanks, and the last variable takes what is left.
func SplitItems(items []string, n int) [][]string {
	// One backing array serves all rows: a million items cost little more than
	// their text.
	cells := make([]string, n*len(items))
	rows := make([][]string, len(items))
	for i, item := range items {
		rows[i] = cells[i*n : (i+1)*n : (i+1)*n]
		splitRow(rows[i], item)
	}
	return rows
}

// slice is items[start:stop:step] as in Python, without a negative step.
func (r *reading) slice(s *statement, items []string, cut string) ([]string, bool) {
	parts := strings.Split(cut, ":")
	bounds := [3]int{0, len(items), 1}
	for i, p := range parts {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		n, err := strconv.Atoi(p)
		if err != nil || i > 2 || i == 2 && n < 1 {
			r.fail(s.at, quote("["+cut+"]")+" is no slice", "As in [start:stop:step]; negative numbers count from the end, the step is at least 1.")
			return nil, false
		}
		if i < 2 && n < 0 {
			n += len(items)
		}
		bounds[i] = n
	}
	start, stop, step := max(bounds[0], 0), min(bounds[1], len(items)), bounds[2]
	if len(parts) == 1 {
		stop = len(items)
	}
	var out []string
	for i := start; i < stop; i += step {
		out = append(out, items[i])
		r.rowNumbers = append(r.rowNumbers, i)
	}
	return out, true
}

// fill makes items the rows of q. Macros in them that a proc knows are expanded with
// each job.
func (r *reading) fill(q *Queue, items []string, at Pos) bool {
	q.Verbatim = !slices.ContainsFunc(items, func(s string) bool { return strings.Contains(s, "$") })
	for i, item := range items {
		if q.Verbatim {
			break
		}
		var b strings.Builder
		if _, err := r.expander(at).Expand(&b, item); err != nil {
			r.fail(at, "the item "+quote(item)+": "+grid.MessageOf(err), "")
			return false
		}
		items[i] = b.String()
	}
	q.Items = SplitItems(items, len(q.Vars))
	if r.rowNumbers != nil && !slices.ContainsFunc(q.Vars, func(v string) bool { return strings.EqualFold(v, rowName) }) {
		// A row's number is that in the whole list.
		for i := range q.Items {
			q.Items[i] = append(slices.Clip(q.Items[i]), strconv.Itoa(r.rowNumbers[i]))
		}
		q.Vars = append(q.Vars, rowName)
	}
	return true
}

// splitRow splits an item at commas or blanks; the last variable takes what is left.
func splitRow(row []string, item string) {
	for i := range row {
		item = strings.TrimLeftFunc(item, blank)
		if i == len(row)-1 {
			row[i] = strings.TrimRightFunc(item, blank)
			return
		}
		end := strings.IndexFunc(item, func(c rune) bool { return c == ',' || blank(c) })
		if end < 0 {
			row[i], item = item, ""
			continue
		}
		row[i] = item[:end]
		item = item[end+1:]
	}
}
