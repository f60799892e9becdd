package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"gridburst/configs"
	"gridburst/gahp/ovirtsim"
	"gridburst/internal/grid"
)

// readModel reads a model: one in HCL by its name, any other in YAML or JSON.
func readModel(path string) (ovirtsim.Model, grid.Diagnostics, error) {
	if !strings.EqualFold(filepath.Ext(path), ".hcl") {
		m, err := ovirtsim.ReadModel(path)
		return m, nil, err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return ovirtsim.Model{}, nil, grid.Errorf(grid.Invalid, "the model: %w", err)
	}
	shape := shapeOf(reflect.TypeFor[ovirtsim.Model]())
	tree, diags := configs.Tree(path, src, &shape)
	if diags.HasErrors() {
		return ovirtsim.Model{}, diags, diags.Err()
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return ovirtsim.Model{}, diags, grid.Errorf(grid.Internal, "the model: %w", err)
	}
	m, err := ovirtsim.ParseModel(text)
	if err != nil {
		return m, diags, grid.Errorf(grid.Invalid, "%s: %w", path, err)
	}
	m.Beside(filepath.Dir(path))
	return m, diags, nil
}

// shapeOf is how HCL says what a struct holds: its keys are those of YAML; structs within
// are blocks, lists of them blocks that may be many, each under the word for one.
func shapeOf(t reflect.Type) configs.Shape {
	s := configs.Shape{Keys: map[string]configs.ValueKind{}, Blocks: map[string]*configs.BlockShape{}}
	for f := range t.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		switch {
		case key == "" || key == "-":
		case of == reflect.TypeFor[time.Duration](), of == reflect.TypeFor[time.Time](), of.Kind() == reflect.String:
			s.Keys[key] = configs.ValueText
		case of.Kind() == reflect.Bool:
			s.Keys[key] = configs.ValueTruth
		case of.Kind() == reflect.Map:
			s.Keys[key] = configs.ValueMap
		case of.Kind() == reflect.Struct:
			s.Blocks[key] = &configs.BlockShape{Shape: shapeOf(of), Key: key}
		case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct:
			b := &configs.BlockShape{Shape: shapeOf(of.Elem()), Key: key, Many: true}
			if _, named := b.Keys["name"]; named && key != "rules" { // a rule's name is that of machines
				b.Named = true
				delete(b.Keys, "name")
			}
			s.Blocks[strings.TrimSuffix(key, "s")] = b
		case of.Kind() == reflect.Slice:
			s.Keys[key] = configs.ValueTexts
		default:
			s.Keys[key] = configs.ValueNumber
		}
	}
	return s
}
