{{- define "gpu.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "gpu.collectorImage" -}}
{{ .Values.collector.image.repository }}:{{ .Values.collector.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "gpu.configFiles" -}}
/etc/gpu-management/config/application.yml
{{- if .Values.extraSettings }},/etc/gpu-management/config/application-site.yml{{ end }}
{{- end }}

{{- define "gpu.exempt" -}}
{{ toJson (concat (list "kube-system" .Release.Namespace) .Values.admissionPolicy.exemptNamespaces) }}
{{- end }}
