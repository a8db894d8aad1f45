# Completion of `vramspan` for bash: source this file, or put it under the name `vramspan` into the folder of
# completions ($XDG_DATA_HOME/bash-completion/completions, else ~/.local/share/bash-completion/completions).
#
# Commands and options are those that `vramspan --help` and `vramspan COMMAND --help` tell; what is here is which values
# they take. Bash cuts words at `=` and `:`; they are put together again first.
# shellcheck shell=bash

# The commands that the command knows.
_vramspan_commands() {
    "$1" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# The options of a command (none: of vramspan itself), a line each; those that want a value end in `=`.
_vramspan_options() {
    "$@" --help 2>/dev/null | awk '/^ +-/ { for (i = 1; i <= NF && $i ~ /^-/; i++) {
        gsub(/,$/, "", $i); if ($i ~ /^--/) { sub(/=.*/, "=", $i); print $i } } }'
}

# The machines that have a name: files beside the command, where it was built or installed.
_vramspan_machines() {
    local folder file
    folder=$(dirname "$(readlink -f "$(type -P "$1")")")
    printf '%s\n' 24gb 2x24gb 8gb+24gb 12gb 16gb
    for file in "$folder"/simcuda/machines/*.yaml "$folder"/../share/vramspan/machines/*.yaml; do
        [ ! -e "$file" ] || basename "$file" .yaml
    done
}

# Candidates that begin with $cur: words (one or several lines each), or folders and files with one of these endings
# (none: all files). Not compgen -W: it expands its words, which executes what the user has typed.
_vramspan_words() {
    local word
    while IFS= read -r word; do
        [[ -z $word || $word != "$cur"* ]] || COMPREPLY+=("$word")
    done < <(printf '%s\n' "$@" | sort -u)
}
_vramspan_files() {
    local ending
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(
        {
            compgen -d -- "$cur"
            [ $# -gt 0 ] || compgen -f -- "$cur"
            for ending in "$@"; do
                compgen -f -X "!*.$ending" -- "$cur"
            done
        } | sort -u
    )
}

# The last device of a list with commas; those before it stay.
_vramspan_devices() {
    local before= device
    [[ $cur != *,* ]] || before=${cur%,*},
    for device in "$@"; do
        [[ ,$before != *,"$device"[:,]* ]] || continue
        _vramspan_words "$before$device"
    done
    compopt -o nospace 2>/dev/null
}

# The values of an option.
_vramspan_value() {
    case $2 in
    --policy) _vramspan_files yaml ;;
    --machine | --simulate)
        _vramspan_words "$(_vramspan_machines "$1")"
        _vramspan_files yaml
        ;;
    --on-error) _vramspan_words stop passthrough ;;
    --backends) _vramspan_words vmm,pinned vmm pinned -vmm:peer -vmm:host ;;
    --log) _vramspan_words error warn info debug ;;
    --devices) _vramspan_devices cuda:0 cuda:1 cuda:2 cuda:3 ;;
    --donors) _vramspan_devices cuda:0 cuda:1 cuda:2 cuda:3 cpu ;;
    --virtual-vram) _vramspan_words 4gb 8gb 12gb 16gb 24gb 50% ;;
    --host-reserve) _vramspan_words 1gb 2gb 4gb 8gb ;;
    --compute-reserve) _vramspan_words 1.2gb 1.5gb 2gb 3gb ;;
    --dtype) _vramspan_words fp32 fp16 bf16 fp8_e4m3fn fp8_e5m2 int8 ;;
    --part) _vramspan_words diffusion text-encoder vae other any ;;
    --card) _vramspan_words 8gb 12gb 16gb 24gb 32gb ;;
    --link) _vramspan_words pcie3-x8 pcie3-x16 pcie4-x8 pcie4-x16 pcie5-x16 ;;
    --modules) _vramspan_files json ;;
    --learned | --execution-order) _vramspan_files ;;
    esac
}

# The arguments of a command that are no options. For `run`, the program and what is behind it complete as they would
# alone.
_vramspan_argument() {
    case $2 in
    check) _vramspan_files yaml ;;
    plan) _vramspan_files safetensors sft gguf json ;;
    run) mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u) ;;
    help) _vramspan_words "$(_vramspan_commands "$1")" ;;
    esac
}

# Puts the words up to the cursor into `words`, as the shell will read them.
_vramspan_join() {
    local i word join=
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [ ${#words[@]} -gt 1 ] && [[ -n $join || $word == [=:]* ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
        join=
        [[ $word != [=:] ]] || join=yes
    done
}

# The place of the program in `words`, from the place behind the command on; nothing where it is not there yet.
_vramspan_program() {
    local options i
    options=" $(_vramspan_options "$1" "$2" | tr '\n' ' ')"
    for ((i = $3; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
        --) echo $((i + 1)) && return ;;
        -*) [[ $options != *" ${words[i]}= "* ]] || i=$((i + 1)) ;;
        *) echo "$i" && return ;;
        esac
    done
}

_vramspan() {
    local cur words=() command= at=1 option= program= real strip
    # shellcheck disable=SC2088 # as the user typed it
    [[ $1 != '~/'* ]] || set -- "$HOME/${1#'~/'}" "${@:2}"
    _vramspan_join
    COMPREPLY=()
    cur=${words[-1]}
    real=${COMP_WORDS[COMP_CWORD]}
    [[ $real != [=:] ]] || real=
    while [ "$at" -lt $((${#words[@]} - 1)) ] && [[ ${words[at]} == -* ]]; do at=$((at + 1)); done
    [ "$at" -ge $((${#words[@]} - 1)) ] || command=${words[at]}

    if [ "$command" = run ]; then
        program=$(_vramspan_program "$1" run $((at + 1)))
        if [ -n "$program" ] && [ "$program" -lt $((${#words[@]} - 1)) ]; then
            # The program's own business: its completion where the package bash-completion is there, else files.
            if declare -F _command_offset >/dev/null && [ ${#words[@]} -eq $((COMP_CWORD + 1)) ]; then
                _command_offset "$program"
            else
                compopt -o default 2>/dev/null
                _vramspan_files
            fi
            return
        fi
    fi

    strip=${cur%"$real"}
    [ -z "$command" ] || [[ ${words[-2]} != --?* ]] || option=${words[-2]}
    if [ -n "$command" ] && [[ $cur == --*=* ]]; then
        option=${cur%%=*}
        strip=${strip#"$option="}
        cur=${cur#*=}
        _vramspan_value "$1" "$option"
    elif [ -n "$option" ] && _vramspan_options "$1" "$command" | grep -qxF -e "$option="; then
        _vramspan_value "$1" "$option"
    elif [ -n "$program" ]; then
        _vramspan_argument "$1" "$command"
    elif [[ $cur == -* ]]; then
        # shellcheck disable=SC2046
        _vramspan_words $(_vramspan_options "$1" $command)
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
    elif [ -z "$command" ]; then
        _vramspan_words "$(_vramspan_commands "$1")" help
    else
        _vramspan_argument "$1" "$command"
    fi
    # Bash replaces only what is behind the last `=` or `:`.
    [ -z "$strip" ] || COMPREPLY=("${COMPREPLY[@]#"$strip"}")
}

complete -F _vramspan vramspan
