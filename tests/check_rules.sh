#!/usr/bin/env bash
# Every rule and finding of PROTOCOL.md has a row in its table, a mark in the code, and test functions that name it: in the comment right above, or in their
# body.  A rule that the core keeps has a mutant too; the simulator has no other part in it.
set -uo pipefail
cd "$(dirname "$0")/.."
doc=replicator/PROTOCOL.md
wrong=0
say() { echo "$doc: $*"; wrong=1; }

# The comment right above a function, without a line between, and its body.
names_rule() { # FILE FUNCTION RULE
    awk -v f="$2" '$0 ~ "(static void |def )" f "\\(" { print c; inside = 1 }
        inside { print; if (/^}/) exit; next }
        /^\/\*/ { c = "" }
        /^(\/\*| \*|#)/ { c = c "\n" $0; next }
        { c = "" }' "$1" | grep -qiE "(^|[^A-Za-z0-9])$3([^A-Za-z0-9]|$)"
}

has_mutant() { # RULE
    grep -qE "^== [a-z0-9_]+ $1 " tests/sim/mutants.list
}

check_tests() { # RULE TESTS
    local file name
    while read -r file name; do
        if [ ! -f "$file" ]; then
            say "$1: no such file: $file"
        elif ! grep -qE "(static void |def )$name\(" "$file"; then
            say "$1: $file has no test $name"
        elif ! names_rule "$file" "$name" "$1"; then
            say "$1: $file: $name does not name the rule"
        fi
    done < <(tr ',' '\n' <<<"$2" | sed 's/^ *//; s/ *$//')
}

table=$(grep -E '^\| (N|L|D|T|A)[0-9]|^\| (finding|section) [0-9]' "$doc" | grep 'tests/')
rules=$({ grep -oE '^[NLDTA][0-9][a-z]?\.' "$doc" | tr -d .; echo "section 9"
    sed -n '/^## 10/,/^## 11/p' "$doc" | grep -oE '^[0-9]+\.' | sed 's/^/finding /; s/\.//'; } | sort -u)
while read -r rule; do
    row=$(awk -F'|' -v r="$rule" '{ x = $2; gsub(/^ +| +$/, "", x); if (x == r) print }' <<<"$table")
    if [ -z "$row" ]; then
        say "$rule has no row"
        continue
    fi
    where=$(awk -F'|' '{ gsub(/ /, "", $3); print $3 }' <<<"$row")
    case $rule in
    finding*) ;;
    *) [ -f "$where" ] && grep -qE "(/\*|^ \*|//).*[^A-Za-z0-9]$rule([^A-Za-z0-9]|\$)" "$where" || say "$rule: no mark in $where"
        [[ $where != replicator/core/* ]] || has_mutant "$rule" || say "$rule: no mutant in tests/sim/mutants.list" ;;
    esac
    check_tests "$rule" "$(awk -F'|' '{ print $4 }' <<<"$row")"
done <<<"$rules"
[ "$wrong" -eq 0 ] && echo "$(wc -l <<<"$rules") rules and findings, each with its place and its test"
exit "$wrong"
