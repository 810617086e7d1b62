# shellcheck shell=bash
# Sourced by the commands that need a build: packages, and what is built of the targets.

# build_targets TARGET...: sets `top` and `build`.
build_targets() {
    local log
    top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    build=${EVREP_BUILD:-$top/.build/dev}
    "$top/tests/deps"
    [ -f "$build/build.ninja" ] || cmake -S "$top" -B "$build" -G Ninja -DCMAKE_C_COMPILER=gcc >/dev/null
    log=$build/${1##*/}-build.log
    [ -e "$build/bin/$1" ] || echo "building, which takes minutes the first time"
    ninja -C "$build" "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
}

# run_with_build PYTHON-FILE WHY-ROOT TARGET... -- ARGUMENT...
run_with_build() {
    local file=$1 why=$2 targets=() lib
    lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    shift 2
    while [ "$1" != -- ]; do
        targets+=("$1")
        shift
    done
    shift
    case "${1:-}" in -h | --help) exec python3 "$lib/$file" --help ;; esac
    if [ "$(id -u)" -ne 0 ]; then
        echo "integration/${file%.py} needs root: it makes $why" >&2
        exit 1
    fi
    build_targets "${targets[@]}"
    exec python3 "$lib/$file" --build "$build" "$@"
}
