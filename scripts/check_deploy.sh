#!/usr/bin/env bash
# Django's and the API schema's checks for a deployment, with the settings that docs/how-to/production.md names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export BASE_URL=https://tracking.example.org HSTS_SECONDS=31536000 DATA_DIR=.build/check-deploy
.venv/bin/python manage.py check --deploy --fail-level WARNING
