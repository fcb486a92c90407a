// Answers, for objects on standard input, what Argo CD, Flux and kstatus make of them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

type question struct {
	Object map[string]any `json:"object"`
	// A script as Argo CD runs it: the table it returns is the answer.
	Lua string `json:"lua"`
	// Expressions of Flux.
	Cel *kustomize.HealthCheckExpressions `json:"cel"`
}

type answer struct {
	Lua     json.RawMessage `json:"lua,omitempty"`
	Flux    string          `json:"flux,omitempty"`
	Kstatus string          `json:"kstatus,omitempty"`
	Error   string          `json:"error,omitempty"`
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		panic(err)
	}
	answers := make([]answer, len(questions))
	for index, each := range questions {
		given, err := ask(each)
		if err != nil {
			given.Error = err.Error()
		}
		answers[index] = given
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

func ask(each question) (answer, error) {
	object := &unstructured.Unstructured{Object: withIntegers(each.Object).(map[string]any)}
	given := answer{}
	if each.Lua != "" {
		returned, err := run(each.Lua, object.Object)
		if err != nil {
			return given, err
		}
		given.Lua = returned
	}
	if each.Cel != nil {
		evaluator, err := cel.NewStatusEvaluator(each.Cel)
		if err != nil {
			return given, err
		}
		result, err := evaluator.Evaluate(context.Background(), object)
		if err != nil {
			return given, err
		}
		given.Flux = string(result.Status)
	}
	computed, err := status.Compute(object)
	if err != nil {
		return given, err
	}
	given.Kstatus = string(computed.Status)
	return given, nil
}

// The libraries, the time and the ways in that util/lua of Argo CD gives to a script: no `string`, and `os` by require only.
func run(script string, object map[string]any) (json.RawMessage, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		call := lua.P{Fn: state.NewFunction(library.open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return nil, err
		}
	}
	state.PreloadModule(lua.OsLibName, func(l *lua.LState) int {
		l.Push(l.SetFuncs(l.NewTable(), map[string]lua.LGFunction{"date": date}))
		return 1
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	encoded, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	value, err := luajson.Decode(state, encoded)
	if err != nil {
		return nil, err
	}
	state.SetGlobal("obj", value)
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	returned := state.Get(-1)
	if returned.Type() != lua.LTTable {
		return nil, fmt.Errorf("the script returned a %s, not a table", returned.Type())
	}
	return luajson.Encode(returned)
}

// One form of the time is enough for what is tested; another is an error.
func date(l *lua.LState) int {
	if form := l.CheckString(1); form != "!%Y-%m-%dT%H:%M:%SZ" {
		l.RaiseError("no such form: %s", form)
	}
	l.Push(lua.LString(time.Now().UTC().Format(time.RFC3339)))
	return 1
}

// Whole numbers as the API machinery has them.
func withIntegers(value any) any {
	switch each := value.(type) {
	case map[string]any:
		for key, field := range each {
			each[key] = withIntegers(field)
		}
	case []any:
		for index, item := range each {
			each[index] = withIntegers(item)
		}
	case float64:
		if each == float64(int64(each)) {
			return int64(each)
		}
	}
	return value
}
