#!/bin/bash
# startup.sh LIBRARY: what the preload costs a process that has nothing to do with CUDA: /bin/true, started many times with
# and without it in turn. Prints the smallest time of each, since other load only ever adds.
set -euo pipefail
library=$(realpath "$1")
rounds=30 starts=20

measure() { # microseconds of one start, from a batch
    local begin=${EPOCHREALTIME/./} i
    for ((i = 0; i < starts; i++)); do LD_PRELOAD=$1 /bin/true; done
    echo $(((${EPOCHREALTIME/./} - begin) / starts))
}

plain=999999 preloaded=999999
for ((round = 0; round < rounds; round++)); do
    us=$(measure ""); [ "$us" -ge "$plain" ] || plain=$us
    us=$(measure "$library"); [ "$us" -ge "$preloaded" ] || preloaded=$us
done
echo "a process without CUDA: $((preloaded - plain)) us more to start ($plain us without, $preloaded us with the preload)"
