#!/bin/bash
# complete.sh VRAMSPAN WORD...: what bash offers for the last word (candidates, a line each), as it would cut the words at
# `=` and `:`, with tools/completion.bash.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../tools/completion.bash"
program=$1
shift
COMP_WORDS=("$program")
COMP_LINE=vramspan
for word in "$@"; do
    COMP_LINE+=" $word"
    rest=$word
    [ -n "$rest" ] || COMP_WORDS+=("")
    while [ -n "$rest" ]; do
        part=${rest%%[=:]*}
        [ -z "$part" ] || COMP_WORDS+=("$part")
        rest=${rest#"$part"}
        [ -z "$rest" ] || COMP_WORDS+=("${rest:0:1}")
        rest=${rest:1}
    done
done
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_POINT=${#COMP_LINE}
_vramspan "$program" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
