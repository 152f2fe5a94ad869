{{/* One installation per cluster: names don't follow the release's. */}}
{{- define "lastgood.labels" -}}
{{- $own := include "lastgood.ownLabels" . }}
{{- $own }}
{{- range $key, $value := .root.Values.commonLabels }}
{{- /* Of two with one key the last would count. In the schema's words a refusal would not say why. */ -}}
{{- if or (hasKey (fromYaml $own) $key) (hasPrefix "rbac.authorization.k8s.io/" $key) }}
{{- fail (printf "commonLabels may not have %s: selectors, Helm or the cluster's roles depend on it. Allowed: any label that does not start with rbac.authorization.k8s.io/ and is not one of %s" $key (fromYaml $own | keys | sortAlpha | join ", ")) }}
{{- end }}
{{ dict $key $value | toYaml }}
{{- end }}
{{- end }}

{{- define "lastgood.ownLabels" -}}
{{ include "lastgood.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "lastgood.selector" -}}
app.kubernetes.io/name: lastgood
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "lastgood.image" -}}
{{- $image := .image }}
{{- /* A release's values have digests: a tag of somebody's would have no effect, and nothing would say so. */ -}}
{{- if and $image.digest $image.tag }}
{{- fail (printf "the image %s has both tag %s and digest %s: set digest to \"\" to run the tag, or tag to \"\" to run the digest" $image.repository $image.tag $image.digest) }}
{{- end }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "lastgood.user" -}}
system:serviceaccount:{{ .root.Release.Namespace }}:lastgood-{{ .component }}
{{- end }}

{{/* The restricted profile, and a read-only root. */}}
{{- define "lastgood.podSecurity" -}}
runAsNonRoot: true
{{- if eq .Values.runAs "lastgood" }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "lastgood.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where a Deployment's pods go: values, and spread over zones and nodes as far as there are any. */}}
{{- define "lastgood.placement" -}}
{{- $values := index .root.Values .component }}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "lastgood.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A ValidatingAdmissionPolicy takes effect by this; it denies, and never only warns. */}}
{{- define "lastgood.binding" -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels: {{- include "lastgood.labels" (dict "root" .root "component" "enforcement") | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end }}

{{/* Whether Prometheus Operator's objects are rendered. */}}
{{- define "lastgood.monitors" -}}
{{- $mode := .Values.monitoring.monitors }}
{{- if or (eq $mode "always") (and (eq $mode "auto") (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}true{{ end }}
{{- end }}

{{/* The serving certificate as files: where the webhook does not keep its own. */}}
{{- define "lastgood.certificateSecret" -}}
{{- if eq .Values.certificates.mode "certManager" }}lastgood-webhook-tls
{{- else if eq .Values.certificates.mode "provided" }}{{ required "certificates.provided.secretName is needed with certificates.mode provided" .Values.certificates.provided.secretName }}
{{- end }}
{{- end }}

{{/* What the controller may do in a namespace whose pods have snapshots. */}}
{{- define "lastgood.snapshotRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, update, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [lastgood-freshness]
  verbs: [get, patch]
{{- end }}

{{/* Refuses a name that is not one of `known`, and says the nearest: the one with most groups of three letters in common. */}}
{{- define "lastgood.known" -}}
{{- if not (has .given .known) }}
{{- $given := lower .given }}
{{- $nearest := "" }}
{{- $most := 0 }}
{{- range $name := .known }}
{{- $score := 0 }}
{{- range $at := until (int (max 0 (sub (len $given) 2))) }}
{{- if contains (substr $at (int (add $at 3)) $given) (lower $name) }}{{ $score = add1 $score }}{{ end }}
{{- end }}
{{- if gt (int $score) (int $most) }}{{ $most = $score }}{{ $nearest = $name }}{{ end }}
{{- end }}
{{- $hint := printf "Allowed: %s" (.known | sortAlpha | join ", ") }}
{{- if $nearest }}{{ $hint = printf "Did you mean %s? %s" $nearest $hint }}{{ end }}
{{- fail (printf "%s has no %s. %s" .at .given $hint) }}
{{- end }}
{{- end }}
