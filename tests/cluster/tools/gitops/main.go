// Command gitops tells what Flux and Argo CD make of ImageBuilds, by the code that they run themselves.
//
// Its one argument is a health script for Argo CD. It reads JSON documents from its standard input, and answers each
// with one line of JSON: status and message for either.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type answer struct {
	Flux verdict `json:"flux"`
	Argo verdict `json:"argo"`
}

func main() {
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string, in io.Reader, out io.Writer) error {
	script, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var document json.RawMessage
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		given, err := judge(string(script), document)
		if err != nil {
			return err
		}
		if err := answers.Encode(given); err != nil {
			return err
		}
	}
}

func judge(script string, document []byte) (answer, error) {
	// Decoded as a client of Kubernetes does it: whole numbers are int64, which kstatus insists on.
	var object unstructured.Unstructured
	if err := object.UnmarshalJSON(document); err != nil {
		return answer{}, err
	}
	computed, err := status.Compute(&object)
	if err != nil {
		return answer{}, fmt.Errorf("kstatus: %w", err)
	}
	argo, err := health(script, object.Object)
	if err != nil {
		return answer{}, fmt.Errorf("the script: %w", err)
	}
	return answer{Flux: verdict{computed.Status.String(), computed.Message}, Argo: argo}, nil
}

// health runs the script as Argo CD does (its util/lua/lua.go): the object is the global obj, a second is all it gets,
// and there are no libraries but these. Of os Argo CD has two functions more.
func health(script string, object map[string]any) (verdict, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		call := lua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return verdict{}, err
		}
	}
	limited, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limited)
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return verdict{}, err
	}
	returned, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return verdict{}, errors.New("it returned no table")
	}
	text := func(key string) string { return lua.LVAsString(returned.RawGetString(key)) }
	return verdict{text("status"), text("message")}, nil
}

// value turns what was decoded from JSON into what a script can read.
func value(state *lua.LState, from any) lua.LValue {
	switch known := from.(type) {
	case bool:
		return lua.LBool(known)
	case string:
		return lua.LString(known)
	case int64:
		return lua.LNumber(known)
	case float64:
		return lua.LNumber(known)
	case []any:
		list := state.NewTable()
		for _, each := range known {
			list.Append(value(state, each))
		}
		return list
	case map[string]any:
		table := state.NewTable()
		for key, each := range known {
			table.RawSetString(key, value(state, each))
		}
		return table
	}
	return lua.LNil
}
