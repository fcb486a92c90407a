// Prints what Kubernetes reads: for each line of standard input, a YAML text as a JSON string, one line of JSON,
// {"value": …} with integers and floats as sigs.k8s.io/yaml prints them, or {"error": "…"}.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"sigs.k8s.io/yaml"
)

type answer struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for in.Scan() {
		var text string
		if err := json.Unmarshal(in.Bytes(), &text); err != nil {
			panic(err)
		}
		value, err := yaml.YAMLToJSONStrict([]byte(text))
		if err != nil {
			encoder.Encode(answer{Error: err.Error()})
			continue
		}
		encoder.Encode(answer{Value: value})
	}
}
