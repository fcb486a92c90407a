{{- /* Made from crds/kinds.ts by `npm run generate`: of each kind its plural. */ -}}
{{- define "convoke.resources" -}}
[activations, campaigninstances, campaignsources, datasets, destinations, organizations, profilestores, runs, segments]
{{- end -}}
{{- define "convoke.authored" -}}
[activations, campaignsources, datasets, destinations, profilestores, runs, segments]
{{- end -}}
