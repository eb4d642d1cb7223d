# Sourced by the scripts beside it. Goes to the checkout's root and gives them
#   need_uv                     uv on PATH, installed into .venvs/uv where the machine has none
#   uv_sync [its arguments]     .venv made to fit uv.lock, its programs first on PATH
# Nothing here needs root.

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
root=$PWD
# An environment that the caller has activated isn't this checkout's.
unset VIRTUAL_ENV UV_PROJECT_ENVIRONMENT
# Compiled once here: where PYTHONDONTWRITEBYTECODE is set, every start would compile it all again.
export UV_COMPILE_BYTECODE=1

install_uv() {
    command -v python3 >/dev/null || die "python3 isn't on PATH: install Python 3.11 or newer and try again."
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        die "python3 can't make virtual environments: install uv, or on Debian and Ubuntu python3-venv, and try again."
    printf 'Installing uv into .venvs/uv\n' >&2
    python3 -m venv --clear "$root/.venvs/uv"
    "$root/.venvs/uv/bin/python" -m pip install --quiet --disable-pip-version-check uv
}

need_uv() {
    if ! command -v uv >/dev/null; then
        [ -x "$root/.venvs/uv/bin/uv" ] || install_uv
        PATH=$root/.venvs/uv/bin:$PATH
    fi
    uv python find --no-python-downloads '>=3.11' >/dev/null 2>&1 || uv python install 3.12 ||
        die "agentos needs Python 3.11 or newer, and uv can't fetch one from here: install it and try again."
}

uv_sync() {
    need_uv
    uv sync --frozen "$@"
    PATH=$root/.venv/bin:$PATH
    # uv leaves out what is installed in place.
    python -m compileall -q agentos
}
