#!/usr/bin/env bash
# Makes .venvs/demo with this checkout and all that the cookbook imports.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/_uv.sh"
need_uv
UV_PROJECT_ENVIRONMENT=.venvs/demo uv sync --frozen --no-dev --extra ddgs
printf 'Ready. Activate it with:\n\n  source %q\n' "$root/.venvs/demo/bin/activate"
