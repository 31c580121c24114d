#!/usr/bin/env bash
# Migrate only behind a proven backup. NIGHTJAR_URL and NIGHTJAR_TOKEN come from the secrets of CI.
set -euo pipefail

nightjar gate "$NIGHTJAR_DATABASE" --name "pre-deploy-${VERSION:?}" --max-age 10m --require drilled
bin/rails db:migrate
