#!/usr/bin/env bash
# Prepare this folder: Python environment, packages, browser libraries, static files.
#
#   scripts/bootstrap.sh          what running needs
#   scripts/bootstrap.sh --dev    and what developing and testing need
#
# Every step leaves a stamp, so a second run only looks at the stamps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
STAMPS=.build/stamps
WANTED="import sys; sys.exit(sys.version_info < (3, 11))"
USABLE="import sys, importlib.util; sys.exit(sys.version_info < (3, 11) or not importlib.util.find_spec('pip'))"

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }
digest() { cat "$@" | sha256sum | cut -d' ' -f1; }

# once NAME DIGEST COMMAND…: run the command unless its stamp has this digest already.
once() {
    local stamp="$STAMPS/$1" digest="$2"
    shift 2
    [[ -f "$stamp" && "$(<"$stamp")" == "$digest" ]] && return 0
    "$@"
    printf '%s' "$digest" >"$stamp"
}

as_root() {
    if [[ "$(id -u)" == 0 ]]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1
    fi
}

# apt PACKAGE…: install Debian packages when we may; false when this machine has no apt or we may not.
apt() {
    command -v apt-get >/dev/null || return 1
    as_root true || return 1
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

find_python() {
    local name
    for name in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        if [[ -n "$name" ]] && "$name" -c "$WANTED" 2>/dev/null; then command -v "$name"; return; fi
    done
    stop "Python 3.11 or newer is needed. Install it (Debian, Ubuntu: apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python3 make setup"
}

make_venv() {
    [[ -x $VENV/bin/python ]] && $VENV/bin/python -c "$USABLE" 2>/dev/null && return
    local python version
    python="$(find_python)"
    if ! "$python" -c "import venv, ensurepip" 2>/dev/null; then
        version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
        say "Installing the venv module for Python $version"
        apt "python$version-venv" || apt python3-venv ||
            stop "Python's venv module is missing. Install it as root: apt-get install python$version-venv"
    fi
    say "Making the Python environment ($("$python" --version))"
    rm -rf $VENV
    "$python" -m venv $VENV
    rm -f $STAMPS/*
}

install_runtime() {
    say "Installing the Python packages (about a minute the first time)"
    $VENV/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
}

install_dev() {
    say "Installing the packages for development and tests"
    $VENV/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
}

install_frontend() {
    if ! npm --version >/dev/null 2>&1 || ! node --version >/dev/null 2>&1; then
        say "Node.js is not here: installing it into the Python environment"
        $VENV/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-node.txt
    fi
    say "Installing the browser libraries"
    PATH="$PATH:$PWD/$VENV/bin" $VENV/bin/python scripts/frontend.py
}

collect_static() {
    say "Collecting static files"
    # A folder of its own: collecting touches nothing of a running server's data.
    DATA_DIR=.build/collect SECRET_KEY='' $VENV/bin/python manage.py collectstatic --noinput --clear -v 0
}

static_listing() {
    { find -- */static .build/frontend -type f -printf '%p %s %T@\n' 2>/dev/null || true; cat requirements.txt; } | sort | sha256sum | cut -d' ' -f1
}

install_browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null && return
    say "Installing Chromium for the browser tests"
    apt chromium || stop "The browser tests need Chromium. Install it as root: apt-get install chromium"
}

mkdir -p $STAMPS
make_venv
once runtime "$(digest requirements.txt)" install_runtime
once frontend "$(digest frontend/* frontend/.npmrc scripts/frontend.py)" install_frontend
[[ -d .build/frontend ]] || install_frontend
once static "$(static_listing)" collect_static
if [[ "${1:-}" == --dev ]]; then
    once dev "$(digest requirements.txt requirements-dev.txt)" install_dev
    install_browser
fi
