package ledger

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed is what a file that applies commands may import.
var allowed = []string{
	"cmp", "crypto/sha256", "encoding/binary", "encoding/hex", "maps", "slices", "strconv", "strings",
	"go.etcd.io/bbolt", "gridburst/internal/grid", "gridburst/dag",
	"gridburst/internal/bill", "gridburst/internal/failpoint", // its planted constants; an instant to die at is no effect
}

// ordered are our own iterators, which go by ascending id.
var ordered = []string{"Stretches", "from"}

// impurities finds, in one file of this package, imports beyond the allowed and
// loops over maps. maps.Copy into another map is order-free and passes.
func impurities(t *testing.T, name string) (faults []string) {
	t.Helper()
	fset := token.NewFileSet()
	//lint:ignore SA1019 one directory, and no build tags
	pkg, err := parser.ParseDir(fset, ".", nil, 0)
	must(t, err)
	var files []*ast.File
	for path, f := range pkg["ledger"].Files {
		if !isTest(path) {
			files = append(files, f)
		}
	}
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	conf := types.Config{Importer: nothing{}, Error: func(error) {}}
	conf.Check("ledger", fset, files, &info) //nolint:errcheck // imports are not looked at
	file := pkg["ledger"].Files[name]
	if file == nil {
		t.Fatalf("no file %s", name)
	}
	for _, imp := range file.Imports {
		if path, _ := strconv.Unquote(imp.Path.Value); !slices.Contains(allowed, path) {
			faults = append(faults, fmt.Sprintf("%s imports %s: apply may only compute", name, path))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		r, ok := n.(*ast.RangeStmt)
		if !ok {
			return true
		}
		if call, ok := r.X.(*ast.CallExpr); ok {
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(ordered, method.Sel.Name) {
				return true
			}
		}
		tv, ok := info.Types[r.X]
		if !ok || tv.Type == types.Typ[types.Invalid] {
			faults = append(faults, fmt.Sprintf("%s: the type of a range is not known", fset.Position(r.Pos())))
			return true
		}
		if _, isMap := tv.Type.Underlying().(*types.Map); isMap {
			faults = append(faults, fmt.Sprintf("%s ranges over a map: its order is not the same twice", fset.Position(r.Pos())))
		}
		return true
	})
	return faults
}

// nothing imports every package as an empty one: what this package declares itself
// is typed all the same, and that is where its maps are.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	p.MarkComplete()
	return p, nil
}

func isTest(path string) bool { return strings.HasSuffix(path, "_test.go") }
