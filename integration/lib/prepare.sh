# Sourced by the commands of integration/: packages, a build of what is needed, and then their Python.
# run_with_build PYTHON-FILE WHY-ROOT TARGET... -- ARGUMENT...
run_with_build() {
    local top file=$1 why=$2 build log targets=()
    shift 2
    top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    while [ "$1" != -- ]; do
        targets+=("$1")
        shift
    done
    shift
    case "${1:-}" in -h | --help) exec python3 "$top/integration/lib/$file" --help ;; esac
    if [ "$(id -u)" -ne 0 ]; then
        echo "integration/${file%.py} needs root: it makes $why" >&2
        exit 1
    fi
    "$top/tests/deps"
    build=${EVREP_BUILD:-$top/.build/dev}
    [ -f "$build/build.ninja" ] || cmake -S "$top" -B "$build" -G Ninja -DCMAKE_C_COMPILER=gcc >/dev/null
    log=$build/${file%.py}-build.log
    ninja -C "$build" "${targets[@]}" >"$log" 2>&1 || { cat "$log"; exit 1; }
    exec python3 "$top/integration/lib/$file" --build "$build" "$@"
}
