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

{{/* Secret with the backends file; empty where there is none. */}}
{{- define "gateway.backendsName" -}}
{{- if .Values.backends.existingSecret -}}
{{- .Values.backends.existingSecret -}}
{{- else if .Values.backends.file -}}
{{- printf "%s-backends" (include "gateway.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* How clients speak to the pods. */}}
{{- define "gateway.scheme" -}}
{{- ternary "https" "http" (not (empty (or .Values.tls.existingSecret .Values.settings.TLS_CERT_FILE))) -}}
{{- end -}}

{{/* Seconds from the signal to the end: SHUTDOWN_GRACE, and what the argument adds. */}}
{{- define "gateway.stopSeconds" -}}
{{- add (index . 0).Values.preStopSleepSeconds (ceil (index . 0).Values.settings.SHUTDOWN_GRACE) (index . 1) -}}
{{- end -}}

{{/* Where the files below come from: one volume for all of them. Keys are for the pod's group alone. */}}
{{- define "gateway.files" -}}
{{- with include "gateway.mappingName" . }}
- configMap:
    name: {{ . }}
    items:
      - key: {{ $.Values.modelMapping.key }}
        path: model_mapping.json
{{- end }}
{{- with include "gateway.backendsName" . }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.backends.key }}
        path: backends.yaml
        mode: 0440
{{- end }}
{{- with .Values.keysFile.existingSecret }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.keysFile.key }}
        path: keys.json
        mode: 0440
{{- end }}
{{- with .Values.tls.existingSecret }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.tls.certKey }}
        path: tls.crt
        mode: 0440
      - key: {{ $.Values.tls.keyKey }}
        path: tls.key
        mode: 0440
{{- end }}
{{- end -}}

{{/* How metrics are read, as an endpoint of a monitor: a list of the root and the monitor's values. The job's name is one that the rules know. */}}
{{- define "gateway.scraped" -}}
{{- $root := index . 0 -}}
{{- with index . 1 -}}
port: http
path: {{ $root.Values.settings.METRICS_PATH }}
scheme: {{ include "gateway.scheme" $root }}
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .authorization }}
authorization:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
relabelings:
  - targetLabel: job
    replacement: gateway/{{ $root.Release.Namespace }}/{{ include "gateway.fullname" $root }}
  {{- with .relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Whether metrics want a key; empty where they do not. */}}
{{- define "gateway.metricsWantKey" -}}
{{- $existing := and .Values.secrets.existingSecret .Values.secrets.existingSecretKeys.API_KEYS -}}
{{- if and (not .Values.settings.METRICS_PUBLIC) (or .Values.secrets.API_KEYS $existing .Values.keysFile.existingSecret .Values.settings.KEYS_FILE) -}}
yes
{{- end -}}
{{- end -}}

{{/* A setting as text. JSON writes large numbers without an exponent. */}}
{{- define "gateway.settingText" -}}
{{- if kindIs "slice" . }}{{ join "," . }}{{ else if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/* What the schema cannot say. */}}
{{- define "gateway.checks" -}}
{{- if not (or .Values.demo .Values.settings.OPENAI_API_BASE_URL .Values.settings.BACKENDS_FILE (include "gateway.backendsName" .) .Values.extraEnv .Values.extraEnvFrom) -}}
{{- fail "settings.OPENAI_API_BASE_URL is not set: where is the backend? (demo: true tries the chart without one)" -}}
{{- end -}}
{{- if and (include "gateway.mappingName" .) .Values.settings.MODEL_MAPPING_FILE -}}
{{- fail "modelMapping and settings.MODEL_MAPPING_FILE are both set: one of them names the mapping" -}}
{{- end -}}
{{- if and .Values.modelMapping.existingConfigMap .Values.modelMapping.entries -}}
{{- fail "modelMapping.entries and modelMapping.existingConfigMap are both set: one of them has the mapping" -}}
{{- end -}}
{{- if and (include "gateway.backendsName" .) .Values.settings.BACKENDS_FILE -}}
{{- fail "backends and settings.BACKENDS_FILE are both set: one of them names the backends" -}}
{{- end -}}
{{- if and .Values.backends.existingSecret .Values.backends.file -}}
{{- fail "backends.file and backends.existingSecret are both set: one of them has the backends" -}}
{{- end -}}
{{- if and .Values.keysFile.existingSecret .Values.settings.KEYS_FILE -}}
{{- fail "keysFile.existingSecret and settings.KEYS_FILE are both set: one of them names the keys" -}}
{{- end -}}
{{- if and .Values.tls.existingSecret (or .Values.settings.TLS_CERT_FILE .Values.settings.TLS_KEY_FILE) -}}
{{- fail "tls.existingSecret is set, and settings.TLS_CERT_FILE or TLS_KEY_FILE as well: one of them names the certificate" -}}
{{- end -}}
{{- if ne (empty .Values.settings.TLS_CERT_FILE) (empty .Values.settings.TLS_KEY_FILE) -}}
{{- fail "settings.TLS_CERT_FILE and settings.TLS_KEY_FILE go together: one of them is not set" -}}
{{- end -}}
{{- if and .Values.secrets.existingSecret (or .Values.secrets.OPENAI_API_KEY .Values.secrets.API_KEYS .Values.secrets.ADMIN_KEY .Values.secrets.CACHE_URL .Values.secrets.REDIS_URL) -}}
{{- fail "secrets.existingSecret is set, and so keys beside it would not count" -}}
{{- end -}}
{{- $least := include "gateway.stopSeconds" (list . 5) -}}
{{- if and (not (kindIs "invalid" .Values.terminationGracePeriodSeconds)) (lt (int64 .Values.terminationGracePeriodSeconds) (int64 $least)) -}}
{{- fail (printf "terminationGracePeriodSeconds cuts running requests off: at least %s with this SHUTDOWN_GRACE and preStopSleepSeconds" $least) -}}
{{- end -}}
{{- if and (kindIs "invalid" .Values.podDisruptionBudget.minAvailable) (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable) -}}
{{- fail "podDisruptionBudget wants minAvailable or maxUnavailable" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not (or .Values.autoscaling.targetCPUUtilizationPercentage .Values.autoscaling.targetRequestsInFlight)) -}}
{{- fail "autoscaling wants targetCPUUtilizationPercentage or targetRequestsInFlight" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor and podMonitor are both enabled: every request would count twice" -}}
{{- end -}}
{{- range $name := list "serviceMonitor" "podMonitor" -}}
{{- $monitor := get $.Values $name -}}
{{- if and $monitor.enabled (not (and $.Values.settings.ENABLE_METRICS $.Values.settings.ENABLE_PROMETHEUS_METRICS)) -}}
{{- fail (printf "%s wants settings.ENABLE_METRICS and ENABLE_PROMETHEUS_METRICS" $name) -}}
{{- end -}}
{{- if and $monitor.enabled (include "gateway.metricsWantKey" $) (not $monitor.authorization) -}}
{{- fail (printf "%s.authorization is not set, and metrics want a key: name the Secret with one, or set settings.METRICS_PUBLIC" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: which Gateway is it a route of?" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int64 .Values.autoscaling.minReplicas) (int64 .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}

{{/* Environment beside the ConfigMap: the files, the keys (each by its name: no other entry of a Secret gets in), more. */}}
{{- define "gateway.env" -}}
{{- if include "gateway.mappingName" . }}
- name: MODEL_MAPPING_FILE
  value: /etc/ollama-openai-proxy/model_mapping.json
{{- end }}
{{- if include "gateway.backendsName" . }}
- name: BACKENDS_FILE
  value: /etc/ollama-openai-proxy/backends.yaml
{{- end }}
{{- if .Values.keysFile.existingSecret }}
- name: KEYS_FILE
  value: /etc/ollama-openai-proxy/keys.json
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: TLS_CERT_FILE
  value: /etc/ollama-openai-proxy/tls.crt
- name: TLS_KEY_FILE
  value: /etc/ollama-openai-proxy/tls.key
{{- end }}
{{- range $name := list "OPENAI_API_KEY" "API_KEYS" "ADMIN_KEY" "CACHE_URL" "REDIS_URL" }}
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
