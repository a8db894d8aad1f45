#!/bin/bash
# debian.sh [GROUP...]: makes sure that the Debian packages of the named groups are installed.
#
#   tests/env/debian.sh           build: what `make` and `make check` want
#   tests/env/debian.sh check     what only the tests want
#   tests/env/debian.sh python    a Python with the module venv (python.sh asks for it where it finds none that fits)
#   tests/env/debian.sh lint      what `make lint` wants
#   tests/env/debian.sh fuzz      what `make fuzz-policy` wants
#
# Looks first, with one dpkg-query; installs only what is missing, with sudo where it is not run by root. Where it may
# not install, it prints the command to type and exits 1. On another distribution it checks for the programs and
# headers themselves and names what is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/env/common.sh
source "$here/common.sh"

# GROUP|PACKAGE|a program, or a file with a slash, by which it is known on systems without dpkg
packages='
build|gcc|gcc
build|make|make
build|binutils|readelf
build|libc6-dev|/usr/include/dlfcn.h
build|libyaml-dev|/usr/include/yaml.h
build|libjansson-dev|/usr/include/jansson.h
build|libxxhash-dev|/usr/include/xxhash.h
build|uthash-dev|/usr/include/uthash.h
build|libelf-dev|/usr/include/libelf.h
build|libcriterion-dev|/usr/include/criterion/criterion.h
build|util-linux|flock
build|ca-certificates|/etc/ssl/certs/ca-certificates.crt
python|python3|python3
python|python3-venv|python3
python|ca-certificates|/etc/ssl/certs/ca-certificates.crt
lint|clang-tidy|clang-tidy
lint|clang-format|clang-format
lint|cppcheck|cppcheck
check|valgrind|valgrind
check|patch|patch
lint|patch|patch
check|groff-base|groff
check|python3-jsonschema|jsonschema
check|python3-yaml|/usr/lib/python3/dist-packages/yaml/__init__.py
fuzz|clang|clang
fuzz|libclang-rt-dev|clang
'

# Prints the packages of the groups that are not installed.
missing_packages() {
    local wanted installed
    wanted=$(awk -F'|' -v groups="$*" 'BEGIN { n = split(groups, g, " "); for (i = 1; i <= n; i++) is[g[i]] = 1 }
        is[$1] && !seen[$2]++ { print $2 }' <<<"$packages")
    # shellcheck disable=SC2086
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
        awk '$2 == "installed" { print $1 }' || true)
    grep -vxF -e "${installed:--}" <<<"$wanted" || true
}

# The same by looking for what the packages contain; for systems without dpkg.
missing_contents() {
    local group package known
    while IFS='|' read -r group package known; do
        [[ -n $group && " $* " == *" $group "* ]] || continue
        if [[ $known == /* ]]; then [ -e "$known" ]; else command -v "$known" >/dev/null; fi || printf '%s\n' "$package"
    done <<<"$packages"
}

groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(build)
for group in "${groups[@]}"; do
    grep -q "^$group|" <<<"$packages" || fail "there is no group '$group': say build, check, python, lint or fuzz"
done

if ! command -v dpkg-query >/dev/null; then
    missing=$(missing_contents "${groups[@]}")
    [ -z "$missing" ] || fail "this is no Debian, and what these packages of it contain is missing:" \
        "${missing//$'\n'/ }" \
        "(install what your distribution calls them, and run the same command again)"
    exit 0
fi

missing=$(missing_packages "${groups[@]}" | tr '\n' ' ')
[ -n "${missing// /}" ] || exit 0
missing=${missing% }

install="apt-get install --yes --no-install-recommends $missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    # A terminal may be asked for a password; without one, sudo must work by itself.
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=sudo
    else
        fail "these Debian packages are missing: $missing. Type as root:  apt-get update && $install"
    fi
fi
mkdir -p "$cache"
take_lock "$cache/debian.lock" "the Debian packages"
say "installing Debian packages: $missing"
# shellcheck disable=SC2086
if ! { $as_root env DEBIAN_FRONTEND=noninteractive $install ||
    { say "  apt-get did not find them at once: fetching its lists" && $as_root apt-get update &&
        $as_root env DEBIAN_FRONTEND=noninteractive $install; }; } >"$cache/debian.log" 2>&1; then
    tail -5 "$cache/debian.log" >&2
    fail "apt-get could not install them (its last lines are above, all of them in $cache/debian.log). Type as root:" \
        " apt-get update && $install"
fi
