# common.sh: what the set-up scripts share. To be sourced.
#
# Sets `cache`, the folder that everything downloaded or generated goes to: it may be deleted at any time.

# shellcheck shell=bash disable=SC2034
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vramspan

say() {
    printf '%s\n' "$*"
}

# Ends the script with one sentence: what went wrong and what to do.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# take_lock FILE WHAT: waits, and says so, until no other set-up works at WHAT. The lock ends with the process.
take_lock() {
    exec 9>"$1" || fail "cannot write $1: the cache folder must be writable (XDG_CACHE_HOME chooses another)"
    if ! flock --nonblock 9; then
        say "waiting: another set-up is making $2"
        flock 9
    fi
}

# Prints the first interpreter that is CPython 3.11 to 3.13 and can make environments. pyenv's shims exist for versions
# that are not active too: only trying tells.
find_interpreter() {
    local candidate
    for candidate in ${VRAMSPAN_PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3 \
        /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 "$HOME"/.pyenv/versions/3.1[123].*/bin/python}; do
        if "$candidate" - 2>/dev/null <<'PYTHON'; then
import ensurepip, platform, sys, venv
if not (3, 11) <= sys.version_info[:2] <= (3, 13) or platform.python_implementation() != "CPython":
    sys.exit(1)
print(sys.executable)
PYTHON
            return 0
        fi
    done
    return 1
}

# Sets `interpreter` to that, and installs Debian's where there is none.
choose_interpreter() {
    interpreter=$(find_interpreter) && return 0
    [ -z "${VRAMSPAN_PYTHON:-}" ] ||
        fail "VRAMSPAN_PYTHON=$VRAMSPAN_PYTHON is not a CPython 3.11 to 3.13 with the modules venv and ensurepip"
    "$(dirname "${BASH_SOURCE[0]}")/debian.sh" python
    interpreter=$(find_interpreter) || fail "no CPython 3.11 to 3.13 with the modules venv and ensurepip was found," \
        "and this system offers none: install one and name it in VRAMSPAN_PYTHON"
}

# Prints how many MiB are free on the cache's disk.
free_mib() {
    df -Pm "$cache" | awk 'NR == 2 { print $4 }'
}

# free_space_or_fail MIB WHAT: ends the script where the cache's disk has less than MIB free.
free_space_or_fail() {
    [ "$(free_mib)" -ge "$1" ] || fail "$cache has $(free_mib) MiB free, and $2 wants $1: make room, or put the cache" \
        "elsewhere with XDG_CACHE_HOME"
}
