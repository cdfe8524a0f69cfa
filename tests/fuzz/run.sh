#!/usr/bin/env bash
# Runs every fuzz target, or those named, for some seconds each, from the seeds; stops at a finding.
#
#   tests/fuzz/run.sh [seconds] [target ..]
#
# Needs a nightly toolchain and cargo-fuzz. SYMBOLON_FUZZ_FLAGS goes to cargo-fuzz, e.g. "--sanitizer none".
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
fuzz() { cargo +nightly fuzz "$@"; }
read -ra flags <<<"${SYMBOLON_FUZZ_FLAGS:-}"
# One thread computes, so that a finding repeats.
export RAYON_NUM_THREADS=1

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(fuzz list --fuzz-dir tests/fuzz)
fi
for target in "${targets[@]}"; do
    fuzz build --fuzz-dir tests/fuzz "${flags[@]}" "$target"
done
for target in "${targets[@]}"; do
    corpus=(tests/fuzz/corpus/"$target")
    mkdir -p "${corpus[0]}"
    [ -d tests/fuzz/seeds/"$target" ] && corpus+=(tests/fuzz/seeds/"$target")
    printf -- '-- %s for %ss\n' "$target" "$seconds"
    fuzz run --fuzz-dir tests/fuzz "${flags[@]}" "$target" "${corpus[@]}" -- \
        -max_total_time="$seconds" -len_control=0 -timeout=20 -rss_limit_mb=4096 -verbosity=0 -print_final_stats=1
done
printf 'no finding in %s targets\n' "${#targets[@]}"
