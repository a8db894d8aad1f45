#!/bin/bash
# weak.sh CONFORMANCE [ID...]: proves that the conformance checks notice. Each rule that a check names is switched off in
# the simulated CUDA (SIMCUDA_WEAK), and the check must then fail, on some machine and in some order of the streams;
# each rule of rules.def must be named by a check. TAP.
#
# With ids, only these checks. Run by `make conformance-weak`, which sets LD_LIBRARY_PATH.
set -uo pipefail
conformance=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rules=$here/../rules/rules.def
machines=(2x24gb 1x12gb 2x24gb-no-peer no-vmm host-limit)
orders=(late early random)

# notices ID RULE: prints where the check notices, and is true; false where it does not anywhere.
notices() {
    local machine order output
    for machine in "${machines[@]}"; do
        for order in "${orders[@]}"; do
            output=$(SIMCUDA_WEAK=$2 SIMCUDA_MACHINE=$machine SIMCUDA_ORDER=$order SIMCUDA_SEED=1 SIMCUDA_FRESH=poison \
                "$conformance" --only "$1" 2>/dev/null)
            case $output in
            *"# SKIP"*) break ;; # this machine lacks what the check needs, in every order
            *"# ended by signal"* | *"# no end after"*) ;; # that is no noticing
            *"not ok 1 "*)
                echo "$machine, $order"
                return 0
                ;;
            esac
        done
    done
    return 1
}

number=0 failed=0
result() { # result true|false DESCRIPTION
    number=$((number + 1))
    if "$1"; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        failed=$((failed + 1))
    fi
}

named=$("$conformance" --rules) || exit 1
while read -r id rule; do
    if [ $# -gt 0 ] && [[ " $* " != *" $id "* ]]; then continue; fi
    if where=$(notices "$id" "$rule"); then
        result true "$id notices that $rule is not enforced ($where)"
    else
        result false "$id notices that $rule is not enforced"
    fi
done <<<"$named"

if [ $# -eq 0 ]; then
    without=$("$conformance" --require-rules 2>/dev/null | grep -c 'names no rule')
    if [ "$without" = 0 ]; then
        result true "every check of something that must fail names a rule"
    else
        result false "every check of something that must fail names a rule ($without name none)"
    fi
    while read -r rule; do
        if ! awk -v rule="$rule" '$2 == rule { found = 1 } END { exit !found }' <<<"$named"; then
            result false "rule $rule is named by a check"
        fi
    done < <(sed -nE 's/^RULE\(([a-z0-9_]+),.*/\1/p' "$rules")
fi
echo "1..$number"
[ "$failed" = 0 ]
