{{/* Name of the program, for labels. */}}
{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the objects. 52 characters, so that the longest suffix still fits into 63. */}}
{{- define "gateway.fullname" -}}
{{- $name := include "gateway.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that pick the gateway's pods, and no others of the release. They never change. */}}
{{- define "gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "gateway.sharedLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{/* Labels and annotations of an object: a list of the root, more labels, more annotations. What the chart sets itself wins. */}}
{{- define "gateway.metadata" -}}
{{- $root := index . 0 -}}
{{- $own := merge (include "gateway.selectorLabels" $root | fromYaml) (include "gateway.sharedLabels" $root | fromYaml) -}}
labels:
  {{- merge $own (index . 1) $root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge (dict) (index . 2) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "gateway.serviceAccountName" -}}
{{- $default := ternary (include "gateway.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $default .Values.serviceAccount.name -}}
{{- end -}}

{{- define "gateway.image" -}}
{{- $version := printf ":%s" (default .Chart.AppVersion .Values.image.tag) -}}
{{- with .Values.image.digest }}{{ $version = printf "@%s" . }}{{ end -}}
{{- printf "%s%s" .Values.image.repository $version -}}
{{- end -}}

{{/* ConfigMap with the mapping file; empty where there is no mapping. */}}
{{- define "gateway.mappingName" -}}
{{- if .Values.modelMapping.existingConfigMap -}}
{{- .Values.modelMapping.existingConfigMap -}}
{{- else if .Values.modelMapping.entries -}}
{{- printf "%s-models" (include "gateway.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* A setting as text. JSON writes large numbers without an exponent. */}}
{{- define "gateway.settingText" -}}
{{- if kindIs "slice" . }}{{ join "," . }}{{ else if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/* What the schema cannot say. */}}
{{- define "gateway.checks" -}}
{{- if not (or .Values.demo .Values.settings.OPENAI_API_BASE_URL .Values.settings.BACKENDS_FILE .Values.extraEnv .Values.extraEnvFrom) -}}
{{- fail "settings.OPENAI_API_BASE_URL is not set: where is the backend? (demo: true tries the chart without one)" -}}
{{- end -}}
{{- if and (include "gateway.mappingName" .) .Values.settings.MODEL_MAPPING_FILE -}}
{{- fail "modelMapping and settings.MODEL_MAPPING_FILE are both set: one of them names the mapping" -}}
{{- end -}}
{{- if and .Values.modelMapping.existingConfigMap .Values.modelMapping.entries -}}
{{- fail "modelMapping.entries and modelMapping.existingConfigMap are both set: one of them has the mapping" -}}
{{- end -}}
{{- if and .Values.secrets.existingSecret (or .Values.secrets.OPENAI_API_KEY .Values.secrets.API_KEYS .Values.secrets.ADMIN_KEY .Values.secrets.CACHE_URL) -}}
{{- fail "secrets.existingSecret is set, and so keys beside it would not count" -}}
{{- end -}}
{{- $least := add .Values.preStopSleepSeconds 35 -}}
{{- if lt (int64 .Values.terminationGracePeriodSeconds) $least -}}
{{- fail (printf "terminationGracePeriodSeconds cuts running requests off: at least %d with this preStopSleepSeconds" $least) -}}
{{- end -}}
{{- if and (kindIs "invalid" .Values.podDisruptionBudget.minAvailable) (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable) -}}
{{- fail "podDisruptionBudget wants minAvailable or maxUnavailable" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int64 .Values.autoscaling.minReplicas) (int64 .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}

{{/* Environment beside the ConfigMap: the mapping file, the keys (each by its name: no other entry of a Secret gets in), more. */}}
{{- define "gateway.env" -}}
{{- if include "gateway.mappingName" . }}
- name: MODEL_MAPPING_FILE
  value: /etc/ollama-openai-proxy/model_mapping.json
{{- end }}
{{- range $name := list "OPENAI_API_KEY" "API_KEYS" "ADMIN_KEY" "CACHE_URL" }}
{{- $existing := $.Values.secrets.existingSecret }}
{{- $key := ternary (get $.Values.secrets.existingSecretKeys $name) (ternary $name "" (not (empty (get $.Values.secrets $name)))) (not (empty $existing)) }}
{{- if $key }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ default (include "gateway.fullname" $) $existing }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
