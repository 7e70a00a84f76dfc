{{- define "imagebuild-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of every object: the release's, made to say what it is where it does not. */}}
{{- define "imagebuild-operator.fullname" -}}
{{- $name := include "imagebuild-operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What a Deployment selects by; cannot change during the life of a release. */}}
{{- define "imagebuild-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "imagebuild-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "imagebuild-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "imagebuild-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: imagebuild-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "imagebuild-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "imagebuild-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "imagebuild-operator.image" -}}
{{- $message := "image.repository must be set: no image of the operator is published yet. Build one from the project's Dockerfile, push it (the README shows how with docker, podman and kaniko), then add --set image.repository=registry.example.com/you/imagebuild-operator" }}
{{- $repository := required $message .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* All the operator may do, cluster-wide or in each watched namespace. It has no permission on Secrets. */}}
{{- define "imagebuild-operator.rules" -}}
- apiGroups: [imagebuild.dev]
  resources: [imagebuilds]
  # delete is for spec.ttlSecondsAfterFinished alone.
  verbs: [get, list, watch, delete]
- apiGroups: [imagebuild.dev]
  resources: [imagebuilds/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
# The log of a failed build.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# Why a Pod does not start.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
# Start and end of a build.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
