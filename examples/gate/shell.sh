#!/usr/bin/env bash
# Migrate only behind a proven backup, and print how to go back where the migration fails. NIGHTJAR_URL and
# NIGHTJAR_TOKEN come from the secrets of CI.
set -euo pipefail

nightjar gate "$NIGHTJAR_DATABASE" --name "pre-deploy-${VERSION:?}" --max-age 10m --require drilled
turso db shell "$NIGHTJAR_DATABASE" < migration.sql || {
  echo "The migration failed. To go back: nightjar restore $NIGHTJAR_DATABASE --backup pre-deploy-$VERSION --to <target>" >&2
  exit 1
}
