#!/usr/bin/env bash
# Each of the contract's 46 defects has a line in tests/defects, and its number in the test that the line names.
set -uo pipefail
cd "$(dirname "$0")"
wrong=0
say() { echo "tests/defects: $*"; wrong=1; }
for n in $(seq 46); do
    row=$(grep -E "^$n \|" defects)
    file=${row##*| }
    if [ -z "$row" ]; then
        say "no line for $n"
    elif [ "$file" != - ] && ! grep -qE "(^|[^0-9A-Za-z])(d$n|#$n)([^0-9]|$)|defects?_([0-9]+_)*${n}_|12\.[0-9],? #?$n([^0-9]|$)" "$file"; then
        say "$n: $file does not name it"
    fi
done
[ "$wrong" -eq 0 ] && echo "46 defects: $(grep -cE '^[0-9]+ .*\| -$' defects) cannot touch evrep, the others have their tests"
exit "$wrong"
