package failpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gridburst/internal/failpoint"
)

// What a chaos run does not know of, it cannot arm.
func TestEveryPointIsListedAndEveryListedPointIsThere(t *testing.T) {
	const root = "../.."
	there, tests := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "build" || d.Name() == "testdata" || p != root && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, 0)
		if err != nil {
			return err
		}
		isTest := strings.HasSuffix(p, "_test.go")
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				tests[n.Name.Name] = tests[n.Name.Name] || isTest
			case *ast.CallExpr:
				if name, ok := hit(n); ok && !isTest {
					there[name] = true
				}
			case *ast.ValueSpec: // the runner's points are constants that begin with Fail
				for i, v := range n.Names {
					if strings.HasPrefix(v.Name, "Fail") && filepath.Base(filepath.Dir(p)) == "runner" && i < len(n.Values) {
						if l, ok := n.Values[i].(*ast.BasicLit); ok {
							name, _ := strconv.Unquote(l.Value)
							there[name] = true
						}
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, p := range failpoint.Points {
		switch {
		case listed[p.Name]:
			t.Errorf("%s is listed twice", p.Name)
		case !there[p.Name]:
			t.Errorf("%s is listed, and nothing hits it", p.Name)
		case p.When == "" || p.Of == "":
			t.Errorf("%s: say of what it is, and when", p.Name)
		case p.Test != "" && !tests[p.Test]:
			t.Errorf("%s: there is no test %s", p.Name, p.Test)
		}
		listed[p.Name] = true
	}
	for name := range there {
		if !listed[name] {
			t.Errorf("%s is hit, and not listed in failpoint.Points", name)
		}
	}
}

// hit is the name of a call failpoint.Hit("name").
func hit(c *ast.CallExpr) (name string, ok bool) {
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "Hit" || len(c.Args) != 1 {
		return "", false
	}
	if x, ok := s.X.(*ast.Ident); !ok || x.Name != "failpoint" {
		return "", false
	}
	l, ok := c.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	name, err := strconv.Unquote(l.Value)
	return name, err == nil
}
