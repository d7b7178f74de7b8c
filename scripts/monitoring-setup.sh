#!/usr/bin/env bash
# Install alerts, scrape objects and dashboards into the Prometheus and Grafana that are there.
# Exit codes: 0 done, 1 something refused or failed, 2 wrong usage or a missing tool.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: monitoring-setup.sh [--kubernetes] [--prometheus-dir DIR] [--grafana-url URL] [options]

At least one place; several together are done one after the other.

  --kubernetes            apply ServiceMonitor, PodMonitors, PrometheusRule and the dashboards'
                          ConfigMap; needs the Prometheus operator
  --context NAME          context of the kubeconfig; default: the current one
  --label KEY=VALUE       a label that your operator selects by, such as release=prometheus

  --prometheus-dir DIR    copy the rules into the folder of a Prometheus' configuration
  --prometheus-url URL    then let that Prometheus read them, and check that it has them

  --grafana-url URL       make a folder and the dashboards in it. Sign-in: GRAFANA_TOKEN (service
                          account, role Editor; Admin for a data source), or GRAFANA_USER and
                          GRAFANA_PASSWORD
  --datasource-url URL    also make the data source Prometheus, if Grafana has none of its uid

  --dry-run               check everything, change nothing, tell what would change

May be run again: what is as it should be stays untouched.
USAGE
}

fail() { echo "monitoring-setup.sh: $2" >&2; exit "$1"; }
need() { command -v "$1" >/dev/null || fail 2 "$1 is missing"; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kubernetes='' label='' prometheus_dir='' prometheus_url='' grafana='' datasource='' dry_run=''
kubectl=(kubectl)

while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --kubernetes) kubernetes=1; shift; continue ;;
    --dry-run) dry_run=1; shift; continue ;;
  esac
  (($# >= 2)) || fail 2 "$1 needs a value, or is unknown; see --help"
  case $1 in
    --context) kubectl+=(--context "$2") ;;
    --label) label=$2 ;;
    --prometheus-dir) prometheus_dir=${2%/} ;;
    --prometheus-url) prometheus_url=${2%/} ;;
    --grafana-url) grafana=${2%/} ;;
    --datasource-url) datasource=${2%/} ;;
    *) fail 2 "unknown option $1; see --help" ;;
  esac
  shift 2
done

[[ -n $kubernetes$prometheus_dir$grafana ]] ||
  fail 2 "say where to: --kubernetes, --prometheus-dir or --grafana-url; see --help"
[[ -z $label || $label =~ ^[A-Za-z0-9./_-]+=[A-Za-z0-9._-]*$ ]] || fail 2 "'$label' is no label"
[[ -z $label || -n $kubernetes ]] || fail 2 "--label needs --kubernetes"
[[ -z $prometheus_url || -n $prometheus_dir ]] || fail 2 "--prometheus-url needs --prometheus-dir"
[[ -z $datasource || -n $grafana ]] || fail 2 "--datasource-url needs --grafana-url"
for url in "$prometheus_url" "$grafana" "$datasource"; do
  [[ -z $url || $url =~ ^https?://[^[:space:]\"\\]+$ ]] || fail 2 "'$url' is no address"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# --- Kubernetes -----------------------------------------------------------------------------------

kubernetes() {
  need kubectl
  local kinds kind objects=$root/k8s/monitoring apply=("${kubectl[@]}" apply)
  kinds=$("${kubectl[@]}" api-resources --api-group=monitoring.coreos.com -o name --no-headers) ||
    fail 1 "the cluster does not answer"
  for kind in servicemonitors podmonitors prometheusrules; do
    grep -q "^$kind\." <<<"$kinds" ||
      fail 1 "the cluster knows no $kind: install the Prometheus operator, or use --prometheus-dir"
  done
  "${kubectl[@]}" get namespace gpu-management >/dev/null ||
    fail 1 "there is no namespace gpu-management: install the product first (scripts/deploy-k8s.sh)"
  [[ -z $dry_run ]] || apply+=(--dry-run=server)
  for file in servicemonitor.yaml prometheusrule.yaml grafana-dashboard.json; do
    if [[ -n $label ]]; then
      # As JSON: objects that follow each other as YAML would lack the line between them.
      "${kubectl[@]}" label --local --overwrite -f "$objects/$file" "$label" -o json |
        "${apply[@]}" -f -
    else
      "${apply[@]}" -f "$objects/$file"
    fi
  done
}

# --- Prometheus -----------------------------------------------------------------------------------

rules() { (cd "$root/prometheus" && printf '%s\n' gpu-management-rules.yml rules/*.yml); }

# copy FILE: from prometheus/ into the folder, if it is not the same already.
copy() {
  if cmp -s "$root/prometheus/$1" "$prometheus_dir/$1"; then
    echo "$1 is as it should be"
  elif [[ -n $dry_run ]]; then
    echo "$1 would be written"
  else
    mkdir -p "$(dirname "$prometheus_dir/$1")"
    # Prometheus may read the folder at any moment: a file appears whole or not at all.
    cp "$root/prometheus/$1" "$prometheus_dir/$1.new"
    mv "$prometheus_dir/$1.new" "$prometheus_dir/$1"
    echo "$1 is written"
  fi
}

prometheus() {
  local file
  [[ -d $prometheus_dir ]] || fail 1 "there is no folder $prometheus_dir"
  [[ -w $prometheus_dir || -n $dry_run ]] || fail 1 "$prometheus_dir cannot be written to"
  if command -v promtool >/dev/null; then
    for file in $(rules); do
      promtool check rules "$root/prometheus/$file" > "$work/told" 2>&1 ||
        fail 1 "promtool refuses $file: $(tail -1 "$work/told")"
    done
  fi
  for file in $(rules); do copy "$file"; done
  [[ -n $prometheus_url ]] || { echo "let Prometheus read its configuration again"; return 0; }
  need curl
  if [[ -n $dry_run ]]; then
    curl -fsS --max-time 15 "$prometheus_url/-/ready" >/dev/null || fail 1 "Prometheus does not answer"
    return 0
  fi
  curl -fsS --max-time 60 -X POST "$prometheus_url/-/reload" > "$work/told" 2>&1 ||
    fail 1 "Prometheus does not reload: it needs --web.enable-lifecycle, or a SIGHUP by hand
  ($(tail -1 "$work/told"))"
  check_groups
}

# Whether every group of the files is one that Prometheus evaluates.
check_groups() {
  local group missing=''
  curl -fsS --max-time 30 "$prometheus_url/api/v1/rules" > "$work/rules"
  for group in $(cd "$root/prometheus" && rules | xargs sed -n 's/^ *- name: *//p'); do
    grep -q "\"name\":\"$group\"" "$work/rules" || missing="$missing $group"
  done
  [[ -z $missing ]] || fail 1 "Prometheus has no$missing: name gpu-management-rules.yml and rules/*.yml
  of $prometheus_dir under rule_files of its configuration"
  echo "Prometheus evaluates all rules"
}

# --- Grafana --------------------------------------------------------------------------------------

# ask METHOD PATH [FILE]: the status; the answer lies in $work/answer. Sign-in passes by file.
ask() {
  local body=()
  [[ -z ${3:-} ]] || body=(-H 'Content-Type: application/json' --data-binary "@$3")
  curl -sS --max-time 30 --config "$work/curl" -o "$work/answer" -w '%{http_code}' -X "$1" \
    "${body[@]}" "$grafana$2" || fail 1 "Grafana does not answer"
}

# must METHOD PATH [FILE]: as ask; anything but success ends the script.
must() {
  local status
  status=$(ask "$@") || exit 1
  case $status in
    2*) ;;
    401 | 403) fail 1 "Grafana refuses $1 $2 ($status): set GRAFANA_TOKEN with the role that --help names" ;;
    *) fail 1 "Grafana refuses $1 $2 ($status): $(head -c 200 "$work/answer")" ;;
  esac
}

# setting NAME VALUE: a line of a file that curl reads.
setting() {
  local value=${2//\\/\\\\}
  printf '%s = "%s"\n' "$1" "${value//\"/\\\"}"
}

sign_in() {
  if [[ -n ${GRAFANA_TOKEN:-} ]]; then
    setting header "Authorization: Bearer $GRAFANA_TOKEN"
  elif [[ -n ${GRAFANA_USER:-} ]]; then
    setting user "$GRAFANA_USER:${GRAFANA_PASSWORD:-}"
  fi
}

# is_there PATH: 200 is yes, 404 is no, all else ends the script.
is_there() {
  local status
  status=$(ask GET "$1") || exit 1
  case $status in
    200) return 0 ;;
    404) return 1 ;;
    401 | 403) fail 1 "Grafana refuses GET $1 ($status): set GRAFANA_TOKEN with the role that --help names" ;;
    *) fail 1 "Grafana refuses GET $1 ($status): $(head -c 200 "$work/answer")" ;;
  esac
}

# make WHAT PATH BODY: POST it, or say that it would be.
make() {
  if [[ -n $dry_run ]]; then
    echo "$1 would be made"
    return
  fi
  printf '%s' "$3" > "$work/body"
  must POST "$2" "$work/body"
  echo "$1 is made"
}

dashboard() {
  local uid sum
  uid=$(basename "$1" .json)
  sum=$(sha256sum "$1" | cut -c1-16)
  # The newest version says of which file it was made; somebody else's change says something else.
  if is_there "/api/dashboards/uid/$uid/versions?limit=1" && grep -q "of $sum" "$work/answer"; then
    echo "dashboard $uid is as it should be"
    return
  fi
  make "dashboard $uid" /api/dashboards/db \
    "{\"dashboard\":$(cat "$1"),\"folderUid\":\"gpu-management\",\"overwrite\":true,\"message\":\"monitoring-setup.sh, of $sum\"}"
}

grafana() {
  need curl
  need sha256sum
  local file
  sign_in > "$work/curl"
  if [[ -n $datasource ]]; then
    if is_there /api/datasources/uid/prometheus; then
      echo "data source prometheus is kept"
    else
      make "data source prometheus" /api/datasources \
        "{\"name\":\"Prometheus\",\"uid\":\"prometheus\",\"type\":\"prometheus\",\"access\":\"proxy\",\"url\":\"$datasource\",\"jsonData\":{\"httpMethod\":\"POST\",\"timeInterval\":\"15s\"}}"
    fi
  fi
  if ! is_there /api/folders/gpu-management; then
    make "folder GPU management" /api/folders '{"uid":"gpu-management","title":"GPU management"}'
  fi
  for file in "$root"/grafana/dashboards/*.json; do dashboard "$file"; done
}

[[ -z $kubernetes ]] || kubernetes
[[ -z $prometheus_dir ]] || prometheus
[[ -z $grafana ]] || grafana
