// Does with CustomResourceDefinitions and custom resources what kube-apiserver does, by its own code: checks the definitions
// (structural schemas, CEL and its cost) and validates documents against them. Reads {"crds": […], "documents": […]} and
// writes {"crds": [[error…]…], "documents": [[error…]…]}; a document may carry "old", what it would replace.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

type input struct {
	CRDs      []json.RawMessage `json:"crds"`
	Documents []struct {
		New map[string]any `json:"new"`
		Old map[string]any `json:"old"`
	} `json:"documents"`
}

type output struct {
	CRDs      [][]string `json:"crds"`
	Documents []result   `json:"documents"`
}

type result struct {
	Errors []string       `json:"errors"`
	Pruned []string       `json:"pruned"`
	Stored map[string]any `json:"stored"`
}

func main() {
	var in input
	must(json.NewDecoder(os.Stdin).Decode(&in))
	scheme := runtime.NewScheme()
	install.Install(scheme)
	out := output{CRDs: [][]string{}, Documents: []result{}}
	kinds := map[string]*apiextensions.CustomResourceDefinition{}
	for _, raw := range in.CRDs {
		var external v1.CustomResourceDefinition
		must(json.Unmarshal(raw, &external))
		v1.SetObjectDefaults_CustomResourceDefinition(&external)
		external.Status.StoredVersions = []string{external.Spec.Versions[0].Name}
		internal := &apiextensions.CustomResourceDefinition{}
		must(scheme.Convert(&external, internal, nil))
		out.CRDs = append(out.CRDs, texts(crdvalidation.ValidateCustomResourceDefinition(context.Background(), internal)))
		kinds[internal.Spec.Names.Kind] = internal
	}
	for _, document := range in.Documents {
		out.Documents = append(out.Documents, create(kinds[document.New["kind"].(string)], document.New, document.Old))
	}
	must(json.NewEncoder(os.Stdout).Encode(out))
}

func create(crd *apiextensions.CustomResourceDefinition, object, old map[string]any) result {
	props := crd.Spec.Validation
	if props == nil {
		props = crd.Spec.Versions[0].Schema
	}
	structural, err := schema.NewStructural(props.OpenAPIV3Schema)
	must(err)
	pruned := pruning.PruneWithOptions(object, structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.PruneNonNullableNullsWithoutDefaults(object, structural)
	defaulting.Default(object, structural)
	validator, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	must(err)
	errors := validation.ValidateCustomResource(nil, object, validator)
	errors = append(errors, listtype.ValidateListSetsAndMaps(nil, structural, object)...)
	rules := cel.NewValidator(structural, true, celconfig.PerCallLimit)
	var before any
	if old != nil {
		before = old
	}
	celErrors, _ := rules.Validate(context.Background(), nil, structural, object, before, celconfig.RuntimeCELCostBudget)
	return result{texts(append(errors, celErrors...)), append([]string{}, pruned...), object}
}

func texts(errors field.ErrorList) []string {
	list := []string{}
	for _, err := range errors {
		list = append(list, err.Error())
	}
	return list
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
