{{- define "convoke.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for every ending that the chart puts behind it. */}}
{{- define "convoke.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "convoke.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "convoke.selectorLabels" -}}
app.kubernetes.io/name: {{ include "convoke.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "convoke.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "convoke.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: convoke
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "convoke.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "convoke.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "convoke.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of "operator" or "jobs": the name that is set, else the class that is made, else nothing. */}}
{{- define "convoke.priorityClassName" -}}
{{- $set := ternary .root.Values.priorityClassName .root.Values.jobs.priorityClassName (eq .of "operator") -}}
{{- if $set -}}
{{- $set -}}
{{- else if .root.Values.priorityClasses.create -}}
{{- include "convoke.fullname" .root }}-{{ .of -}}
{{- end -}}
{{- end -}}

{{- define "convoke.webhookSecretName" -}}
{{- if eq .Values.webhook.certificates.mode "Secret" -}}
{{- required "webhook.certificates.secretName is empty: name the Secret with tls.crt and tls.key, or choose another webhook.certificates.mode." .Values.webhook.certificates.secretName -}}
{{- else -}}
{{- include "convoke.fullname" . }}-webhook-tls
{{- end -}}
{{- end -}}
