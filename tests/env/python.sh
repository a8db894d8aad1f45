#!/bin/bash
# python.sh NAME: makes the Python environment NAME of the tests, or finds that it is there (then: under a tenth of a
# second, no output).
#
#   tests/env/python.sh torch-2.11.0      -> ${XDG_CACHE_HOME:-~/.cache}/vramspan/envs/torch-2.11.0/bin/python
#   tests/env/python.sh --print NAME      tells that path (and makes nothing)
#
# The packages are those of requirements-NAME.txt beside this file, exactly. Two phases, each of which a later run can
# take up: finished downloads are kept in the cache's wheels/ folder, then the environment is filled from there without
# the network. Its file `complete` holds the hash of the requirements: an environment without it, or with another hash,
# is made again. A lock lets two set-ups wait for each other. VRAMSPAN_PYTHON=/path/to/python chooses the interpreter.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/env/common.sh
source "$here/common.sh"

readonly pip_version=25.3           # the oldest that may come with Python 3.11 reads a whole wheel into memory
space_wanted_mib=4000               # wheels 0.8 GB at most, environment 1.8 GB, and room to unpack
download_size="0.5 to 0.8 GB"

print_only=
if [ "${1:-}" = --print ]; then
    print_only=yes
    shift
fi
name=${1:-}
requirements=$here/requirements-$name.txt
if [ -z "$name" ] || [ ! -f "$requirements" ]; then
    known=$(cd "$here" && printf '%s\n' requirements-*.txt | sed 's/^requirements-//; s/\.txt$//' | tr '\n' ' ')
    fail "no environment is called '$name': say one of: $known"
fi

environment=$cache/envs/$name
python=$environment/bin/python
if [ -n "$print_only" ]; then
    printf '%s\n' "$python"
    exit 0
fi
wanted=$(sha256sum <"$requirements")
if ! grep -q '^torch==' "$requirements"; then
    space_wanted_mib=1000 download_size="a few MB"
fi

is_complete() {
    [ -x "$python" ] && [ "$(cat "$environment/complete" 2>/dev/null)" = "$wanted" ]
}

# Downloads what is missing. pip keeps the files of one call only when all of them are there: so the small packages go
# in handfuls, and torch, which is most of it, goes last and alone.
download() {
    local part
    mkdir -p "$cache/wheels"
    grep -v -e '^#' -e '^$' -e '^torch==' "$requirements" | split -l 8 - "$scratch/part-"
    grep '^torch==' "$requirements" >"$scratch/part-z" || rm "$scratch/part-z"
    for part in "$scratch"/part-*; do
        run_pip download download --no-deps --only-binary=:all: --find-links "$cache/wheels" -d "$cache/wheels" \
            -r "$part"
    done
}

# run_pip WHAT ARGUMENTS...: pip with its own progress bars on a terminal, and elsewhere a line every 10 seconds.
run_pip() {
    local what=$1 log=$scratch/pip.log
    shift
    local pip=("$python" -m pip --disable-pip-version-check --log "$log" "$@")
    local dull='^ *(Collecting|Looking in|Saved|Requirement|Using cached|File was|Processing|Successfully) '
    rm -f "$log"
    if [ -t 1 ]; then
        TMPDIR=$scratch "${pip[@]}" && return 0
    else
        heartbeat &
        watcher=$!
        TMPDIR=$scratch "${pip[@]}" --progress-bar off 2>&1 | sed -E -u "/$dull/d" && stop_heartbeat && return 0
        stop_heartbeat
    fi
    # On a full disk pip's own log may lack the message.
    if grep -q 'No space left' "$log" || [ "$(free_mib)" -lt 700 ]; then
        fail "the disk that holds $cache is full: make room ($space_wanted_mib MiB are wanted in all), or put the" \
            "cache elsewhere with XDG_CACHE_HOME; then run the same command again: finished downloads are kept"
    elif [ "$what" = download ]; then
        fail "pip could not download everything (its last lines are above): see that the network and PyPI, or the" \
            "mirror that pip is set to, can be reached; then run the same command again: finished downloads are kept"
    fi
    fail "pip failed to $what (its last lines are above): run the same command again, or remove $environment first"
}

# A line every 10 seconds. The lock (descriptor 9) must not outlive the script in this loop, nor the loop the script.
heartbeat() {
    local sleeper
    exec 9>&-
    trap 'kill "$sleeper" 2>/dev/null; exit 0' TERM
    while kill -0 $$ 2>/dev/null; do
        sleep 10 >/dev/null &
        sleeper=$!
        wait "$sleeper"
        du -scm "$scratch" "$environment" "$cache/wheels" 2>/dev/null |
            awk 'END { print "  ...", $1, "MiB on disk so far" }'
    done
}

watcher=
stop_heartbeat() {
    [ -n "$watcher" ] || return 0
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    watcher=
}
trap stop_heartbeat EXIT
trap 'fail "interrupted: run the same command again, finished downloads are kept"' INT TERM

is_complete && exit 0
mkdir -p "$cache/envs"
take_lock "$cache/envs/$name.lock" "the environment $name"
is_complete && exit 0

choose_interpreter
free_space_or_fail "$space_wanted_mib" "the environment $name"

say "Python environment $name: setting up in $environment with $interpreter"
rm -rf "$environment"
scratch=$cache/envs/$name.scratch
rm -rf "$scratch"
mkdir -p "$scratch"
"$interpreter" -m venv "$environment" || fail "$interpreter could not make an environment in $environment (see above)"
say "  downloading ($download_size in all; what is there already is not fetched again)"
run_pip download install --quiet "pip==$pip_version"
download
say "  installing (about a minute)"
run_pip install install --quiet --no-deps --no-index --no-compile --find-links "$cache/wheels" -r "$requirements"
imports=$(sed -nE 's/^(pytest|xxhash|numpy|comfy-aimdo)==.*/import \1/p' "$requirements" | tr - _)
"$python" -c "$imports" || fail "the environment $environment does not work (see above)"
rm -rf "$scratch"
printf '%s\n' "$wanted" >"$environment/complete.new"
mv "$environment/complete.new" "$environment/complete"
say "Python environment $name: done in ${SECONDS} s"
