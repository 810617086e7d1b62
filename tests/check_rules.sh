#!/usr/bin/env bash
# Every rule and finding of PROTOCOL.md has a row in its table, a mark in the code, and a test that names it.
set -uo pipefail
cd "$(dirname "$0")/.."
doc=replicator/PROTOCOL.md
wrong=0
say() { echo "$doc: $*"; wrong=1; }

# The comment right above a function, or what the file says at its top.
names_rule() { # FILE FUNCTION RULE
    awk -v f="$2" 'NR <= 6 { print }
        /^(\/\*| \*|"""|#)/ { if ($0 ~ /^\/\*/) c = ""; c = c "\n" $0 }
        $0 ~ "(static void |def )" f "\\(" { print c; exit }' "$1" | grep -qiE "(^|[^A-Za-z0-9])$3([^A-Za-z0-9]|$)"
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
    *) [ -f "$where" ] && grep -qE "(/\*|^ \*|//).*[^A-Za-z0-9]$rule([^A-Za-z0-9]|\$)" "$where" || say "$rule: no mark in $where" ;;
    esac
    check_tests "$rule" "$(awk -F'|' '{ print $4 }' <<<"$row")"
done <<<"$rules"
[ "$wrong" -eq 0 ] && echo "$(wc -l <<<"$rules") rules and findings, each with its place and its test"
exit "$wrong"
