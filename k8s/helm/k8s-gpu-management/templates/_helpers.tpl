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

{{- /* The version of MutatingAdmissionPolicy that the cluster serves, or nothing. */}}
{{- define "gpu.mutating" -}}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
admissionregistration.k8s.io/v1
{{- else if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy" -}}
admissionregistration.k8s.io/v1beta1
{{- end -}}
{{- end }}
