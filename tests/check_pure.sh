#!/usr/bin/env bash
# The core is pure: outside its own archives it may need memcpy and its like, never a clock, a file or memory.
# usage: tests/check_pure.sh BUILD-FOLDER
set -euo pipefail
build=${1:?usage: tests/check_pure.sh BUILD-FOLDER}
archives=("$build/replicator/libreplicator_core.a" "$build/cluster/libcluster_core.a"
    "$build/dataplane-hooks/evdp/libevdp_core.a")
allowed='^(memcpy|memmove|memset|memcmp|memchr|strlen|crypto_shorthash|__stack_chk_fail|__assert_fail|__cpu_model|__cpu_indicator_init|_GLOBAL_OFFSET_TABLE_)$'
defined=$(nm --defined-only -g "${archives[@]}" | awk 'NF == 3 {print $3}' | sort -u)
outside=$(nm -u "${archives[@]}" | awk '$1 == "U" {print $2}' | sort -u |
    comm -23 - <(echo "$defined") | grep -vE "$allowed" || true)
if [ -n "$outside" ]; then
    echo "the core calls outside:" $outside
    exit 1
fi
echo "pure: $(echo "$defined" | wc -l) functions"
