#!/usr/bin/env bash
# Fill the running server with a believable amount of data through the real client, in an environment of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

variables="${DATA_DIR:-var}/first-run.env"
if [[ ! -f "$variables" ]]; then
    printf 'demo: %s is not there. Start the platform first, in another shell: make run\n' "$variables" >&2
    exit 1
fi
printf '==> Preparing the official client (a minute the first time)\n'
python="$(.venv/bin/python -c 'from tests.e2e.environments import client_python; print(client_python("demo"))')"
# shellcheck disable=SC1090
. "$variables"
exec "$python" examples/demo.py "$@"
