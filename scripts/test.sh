#!/usr/bin/env bash
# Every test, twice: on the embedded default, then on PostgreSQL, Redis, a Celery worker and S3. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

# A folder of their own: the tests' databases and messages stay apart from a platform that runs from ./var.
DATA_DIR="$(mktemp -d)"
export DATA_DIR
trap 'rm -rf "$DATA_DIR"' EXIT

say "Tests on the embedded default: SQLite, files, a broker made of files"
.venv/bin/python -m pytest "$@"

say "Tests on PostgreSQL, Redis and S3"
.venv/bin/python -m tests.servers .venv/bin/python -m pytest "$@"
