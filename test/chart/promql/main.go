// Reads expressions and series on standard input and answers with what Prometheus makes of them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

type question struct {
	Expr string `json:"expr"`
	// In the notation of Prometheus's own unit tests; samples are a minute apart.
	Series map[string]string `json:"series"`
	// Minutes after the first sample.
	AtMinutes int `json:"atMinutes"`
}

// Labels of each element of the result and its value; or what is wrong with the expression.
type answer struct {
	Error   string              `json:"error,omitempty"`
	Metrics []string            `json:"metrics"`
	Result  []map[string]string `json:"result"`
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		panic(err)
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute})
	answers := make([]answer, len(questions))
	for index, each := range questions {
		answers[index] = ask(engine, each)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

func ask(engine *promql.Engine, each question) answer {
	expr, err := parser.ParseExpr(each.Expr)
	if err != nil {
		return answer{Error: err.Error()}
	}
	metrics := []string{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			metrics = append(metrics, selector.Name)
		}
		return nil
	})
	folder, err := os.MkdirTemp("", "promql")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	db, err := tsdb.Open(folder, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		panic(err)
	}
	defer db.Close()
	start := time.Unix(0, 0).UTC()
	appender := db.Appender(context.Background())
	for text, samples := range each.Series {
		metric, values, err := parser.ParseSeriesDesc(text + " " + samples)
		if err != nil {
			return answer{Error: err.Error()}
		}
		for minute, value := range values {
			if value.Omitted {
				continue
			}
			at := start.Add(time.Duration(minute) * time.Minute).UnixMilli()
			if _, err := appender.Append(0, metric, at, value.Value); err != nil {
				panic(err)
			}
		}
	}
	if err := appender.Commit(); err != nil {
		panic(err)
	}
	at := start.Add(time.Duration(each.AtMinutes) * time.Minute)
	query, err := engine.NewInstantQuery(context.Background(), db, nil, each.Expr, at)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer query.Close()
	found := query.Exec(context.Background())
	if found.Err != nil {
		return answer{Error: found.Err.Error()}
	}
	vector, err := found.Vector()
	if err != nil {
		return answer{Error: err.Error()}
	}
	result := []map[string]string{}
	for _, sample := range vector {
		row := map[string]string{"value": fmt.Sprint(sample.F)}
		sample.Metric.Range(func(label labels.Label) { row[label.Name] = label.Value })
		result = append(result, row)
	}
	return answer{Metrics: metrics, Result: result}
}
