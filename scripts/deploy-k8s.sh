#!/usr/bin/env bash
# Install or update k8s-gpu-management in a cluster: fill in images, apply k8s/ in order, wait.
# Exit codes: 0 done, 1 something failed, 2 wrong usage or a missing tool.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: deploy-k8s.sh --image IMAGE[:TAG] [options]

  --image IMAGE             image of the server and controller
  --collector-image IMAGE   image of the collector; default: IMAGE with "-collector" before its tag
  --tag TAG                 tag of both, where IMAGE has none
  --context NAME            context of the kubeconfig; default: the current one
  --overlay NAME            k8s/overlays/NAME or a folder, in place of k8s/base
  --policy                  also apply the admission policy (k8s/components/admission-policy)
  --gate-pods               also let GPU pods of Kubeflow Profiles wait (k8s/components/gate-pods)
  --dry-run                 let the API server check everything and change nothing
  --timeout SECONDS         how long to wait for the rollout; default 300
  --write-jenkins           write k8s/deployment.jenkins.yaml from k8s/deployment.yaml and end

Secrets that are missing are made with random values; those that are there stay as they are.
USAGE
}

fail() { echo "deploy-k8s.sh: $2" >&2; exit "$1"; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
k8s=$root/k8s
namespace=gpu-management
image='' collector_image='' tag='' overlay=$k8s/base policy='' gate_pods='' dry_run='' timeout=300
kubectl=(kubectl)

write_jenkins() {
  {
    echo "# Made of deployment.yaml by scripts/deploy-k8s.sh --write-jenkins, for \`sed 's|IMAGE_TAG|...|g'\`; do not edit."
    # shellcheck disable=SC2016 # the placeholder itself is meant
    tail -n +2 "$k8s/deployment.yaml" | sed 's|${IMAGE}|k8s-gpu-management:IMAGE_TAG|g'
  } > "$k8s/deployment.jenkins.yaml"
}

while [ $# -gt 0 ]; do
  case $1 in
    --help|-h) usage; exit 0 ;;
    --dry-run) dry_run=1; shift; continue ;;
    --policy) policy=1; shift; continue ;;
    --gate-pods) gate_pods=1; shift; continue ;;
    --write-jenkins) write_jenkins; exit 0 ;;
  esac
  [ $# -ge 2 ] || fail 2 "$1 needs a value, or is unknown; see --help"
  case $1 in
    --image) image=$2 ;;
    --collector-image) collector_image=$2 ;;
    --tag) tag=$2 ;;
    --context) kubectl+=(--context "$2") ;;
    --overlay) if [ -d "$k8s/overlays/$2" ]; then overlay=$k8s/overlays/$2; else overlay=$2; fi ;;
    --timeout) timeout=$2 ;;
    *) fail 2 "unknown option $1; see --help" ;;
  esac
  shift 2
done

has_tag() { case ${1##*/} in *:*) return 0 ;; *) return 1 ;; esac; }

[ -n "$image" ] || fail 2 "--image is missing; see --help"
if ! has_tag "$image"; then
  [ -n "$tag" ] || fail 2 "$image has no tag: add one, or give --tag"
  image=$image:$tag
fi
[ -n "$collector_image" ] || collector_image=${image%:*}-collector:${image##*:}
has_tag "$collector_image" || collector_image=$collector_image:${tag:-${image##*:}}
case $image$collector_image in *[\&\|\\\ ]*) fail 2 "an image has a character that images have not" ;; esac
[ -d "$overlay" ] || fail 2 "there is no overlay $overlay"
command -v kubectl >/dev/null || fail 2 "kubectl is missing"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

render() {
  # shellcheck disable=SC2016 # the placeholders themselves are meant
  "${kubectl[@]}" kustomize "$1" |
    sed -e 's|${IMAGE}|'"$image"'|g' -e 's|${COLLECTOR_IMAGE}|'"$collector_image"'|g'
}

random_key() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# make_secret NAME KEY=VALUE...: nothing where it is there already. Values pass by file, not by argument.
make_secret() {
  local name=$1 pair arguments=()
  shift
  if "${kubectl[@]}" -n "$namespace" get secret "$name" >/dev/null 2>&1; then
    echo "secret $name is kept"
    return
  fi
  for pair in "$@"; do
    printf '%s' "${pair#*=}" > "$work/${pair%%=*}"
    arguments+=("--from-file=$work/${pair%%=*}")
  done
  "${kubectl[@]}" -n "$namespace" create secret generic "$name" "${arguments[@]}"
}

# read_key SECRET: the collector's key as a secret has it, or nothing.
read_key() {
  "${kubectl[@]}" -n "$namespace" get secret "$1" \
    -o 'jsonpath={.data.operator-api-key}' 2>/dev/null | base64 -d || true
}

make_secrets() {
  local operator
  operator=$(read_key gpu-management-api-keys)
  [ -n "$operator" ] || operator=$(read_key gpu-collector-key)
  [ -n "$operator" ] || operator=$(random_key)
  make_secret gpu-collector-key "operator-api-key=$operator"
  make_secret gpu-management-api-keys "operator-api-key=$operator" \
    "admin-api-key=$(random_key)" "monitoring-api-key=$(random_key)"
  make_secret postgres-secret "password=$(random_key)"
}

# mutating_version: the version of MutatingAdmissionPolicy that the cluster serves, or nothing.
mutating_version() {
  local version
  for version in v1 v1beta1; do
    case $("${kubectl[@]}" get --raw "/apis/admissionregistration.k8s.io/$version" 2>/dev/null || true) in
      *'"mutatingadmissionpolicies"'*) echo "$version"; return ;;
    esac
  done
}

# add_mutating VERSION COMPONENT: add policies that change pods, in the version of the cluster.
add_mutating() {
  { echo '---'; sed "s|\(admissionregistration.k8s.io\)/v1beta1|\1/$1|" "$k8s/$2.yaml"; } >> "$work/all.yaml"
}

render "$overlay" > "$work/all.yaml"
if [ -n "$policy" ]; then
  { echo '---'; cat "$k8s/components/admission-policy/admission-policy.yaml"; } >> "$work/all.yaml"
fi

mutating=$(mutating_version)
if [ -n "$mutating" ]; then
  add_mutating "$mutating" direct-pods
  [ -z "$gate_pods" ] || add_mutating "$mutating" gate-pods
else
  [ -z "$gate_pods" ] || fail 1 "--gate-pods needs MutatingAdmissionPolicy, which the cluster does not serve"
  echo "the cluster serves no MutatingAdmissionPolicy: pods find the node of their claim more slowly"
fi

if [ -n "$dry_run" ]; then
  # Objects of the namespace cannot be checked before it is there: then they are checked as far as they can be.
  if "${kubectl[@]}" get namespace "$namespace" >/dev/null 2>&1; then
    "${kubectl[@]}" apply --dry-run=server -f "$work/all.yaml"
  else
    "${kubectl[@]}" apply --dry-run=client -f "$work/all.yaml"
  fi
  exit 0
fi

"${kubectl[@]}" apply -f "$k8s/namespace.yaml" -f "$k8s/crd.yaml"
"${kubectl[@]}" wait --for=condition=Established --timeout="${timeout}s" \
  crd/gpuallocations.gpu.company.com
make_secrets
"${kubectl[@]}" apply -f "$work/all.yaml"
for one in statefulset/postgres deployment/k8s-gpu-management deployment/gpu-management-controller; do
  if "${kubectl[@]}" -n "$namespace" get "$one" >/dev/null 2>&1; then
    "${kubectl[@]}" -n "$namespace" rollout status "$one" --timeout="${timeout}s"
  fi
done
echo "k8s-gpu-management $image runs in namespace $namespace"
