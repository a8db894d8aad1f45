#!/bin/bash
# hazards.sh BUILD COUNT: each hazard of hazards.c without its wait must be noticed by the adversaries that it names, and by
# no other; with the wait it must be right in every order. COUNT seeds of the random one. Prints TAP; LD_LIBRARY_PATH is
# set by the caller. A seed is repeated by hand with SIMCUDA_ORDER=random SIMCUDA_SEED=n.
set -uo pipefail
hazards=$1/tests/hazards count=$2 number=0 failed=0
export ASAN_OPTIONS=detect_leaks=0 # what the driver keeps for the life of a process is none

verdict() { # verdict STATUS SENTENCE: 0 is fine
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else
        echo "not ok $number - $2"
        failed=1
    fi
}

# is_wrong NAME WHICH ORDER SEED: whether the bytes were wrong, or CUDA refused. Anything else than that is not what we seek.
is_wrong() {
    local status
    SIMCUDA_ORDER=$3 SIMCUDA_SEED=$4 "$hazards" "$1" "$2" 2>/dev/null
    status=$?
    case $status in
    0) return 1 ;;
    1 | 2) return 0 ;;
    *)
        verdict 1 "$1 $2, order $3, seed $4: exit status $status"
        exit 1
        ;;
    esac
}

seeds_that_notice() { # seeds_that_notice NAME WHICH
    local noticed=0 seed
    for ((seed = 1; seed <= count; seed++)); do
        ! is_wrong "$1" "$2" random "$seed" || noticed=$((noticed + 1))
    done
    echo "$noticed"
}

list=$("$hazards" --list) || exit 1
while read -r name noticed_by; do
    for order in early late; do
        is_wrong "$name" wrong $order 0
        wrong=$?
        if [[ " $noticed_by " == *" $order "* ]]; then
            verdict $wrong "$name without its wait is noticed by order $order"
        else
            verdict $((1 - wrong)) "$name without its wait passes in order $order"
        fi
        ! is_wrong "$name" right $order 0
        verdict $? "$name with its wait is right in order $order"
    done
    noticed=$(seeds_that_notice "$name" wrong)
    [ "$noticed" -gt 0 ]
    verdict $? "$name without its wait is noticed by order random ($noticed of $count seeds)"
    noticed=$(seeds_that_notice "$name" right)
    [ "$noticed" = 0 ]
    verdict $? "$name with its wait is right in $count seeds ($noticed wrong)"
done <<<"$list"
[ $number = 42 ] || verdict 1 "seven hazards were tried"
echo "1..$number"
exit $failed
