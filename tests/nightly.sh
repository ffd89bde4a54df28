#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The long form of the limiters' tests: each algorithm and its reference through 10^8 random decisions, the token bucket
# through 10^9; four threads through 10^7 acquires of each algorithm, as built for release and under ThreadSanitizer; every
# mutant of src/limiter; the whole stack in 10 000 hours of random worlds with known limits, and in as many with limits that
# headers tell. Hours on one processor, most of them for the mutants.
#   tests/nightly.sh             all
#   tests/nightly.sh random      10^8 and 10^9 decisions
#   tests/nightly.sh threads     10^7 acquires
#   tests/nightly.sh mutants     see tests/mutants.sh
#   tests/nightly.sh simulation  10 000 hours, and 10 000 (LLMRL_SIM_HOURS: another number); begins with world LLMRL_SEED
# LLMRL_SEED: other traffic than the usual (default: a new one each time; it is printed). Exit 1: something failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C LLMRL_SEED=${LLMRL_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "LLMRL_SEED=$LLMRL_SEED"
failed=0

# run TEXT PROGRAM: it says what it did, in how many seconds.
run() {
    local text=$1 program=$2 start=$SECONDS word=ok
    "$program" || { word=FAILED && failed=1; }
    printf '== %s: %s, %d s\n' "$text" "$word" $((SECONDS - start))
}

build() { # PRESET TEST...
    local preset=$1
    shift
    cmake --preset "$preset" >/dev/null
    cmake --build "build/$preset" --target "$@" >/dev/null
}

random() {
    local dir=build/release/tests/property tests=(prop_windows prop_outflow prop_bookings prop_several)
    build release prop_token_bucket "${tests[@]}"
    export LLMRL_PROPERTY_STEPS=100000000
    for test in "${tests[@]}"; do
        run "$test, 10^8 decisions of each algorithm" "$dir/$test"
    done
    LLMRL_PROPERTY_STEPS=1000000000 run "prop_token_bucket, 10^9 decisions" "$dir/prop_token_bucket"
}

threads() {
    export LLMRL_PROPERTY_ACQUIRES=10000000
    build release prop_threads
    build tsan prop_threads
    run "prop_threads, 10^7 acquires of each algorithm" build/release/tests/property/prop_threads
    run "prop_threads, 10^7 acquires of each, ThreadSanitizer" build/tsan/tests/property/prop_threads
}

mutants() {
    run "mutants" tests/mutants.sh
}

# Known limits: half of the hours each way. There, LLMRL_SEED would be the one world to replay.
simulation() {
    local hours=${LLMRL_SIM_HOURS:-10000}
    build release prop_scenarios
    export LLMRL_SIM_FIRST=$LLMRL_SEED LLMRL_SIM_KIND LLMRL_SIM_HOURS
    for LLMRL_SIM_KIND in known_exactly known_numbers known_day told_by_headers disturbed; do
        LLMRL_SIM_HOURS=$hours
        [[ $LLMRL_SIM_KIND == known_* ]] && LLMRL_SIM_HOURS=$((hours / 2))
        (unset LLMRL_SEED && run "prop_scenarios, $LLMRL_SIM_KIND, $LLMRL_SIM_HOURS hours" \
            build/release/tests/property/prop_scenarios && exit $failed) || failed=1
    done
}

if [ $# = 0 ]; then
    set -- random threads mutants simulation
fi
for part in "$@"; do
    case $part in
    random) random ;;
    threads) threads ;;
    mutants) mutants ;;
    simulation) simulation ;;
    *)
        sed -n 's/^#   //p' "$0" >&2
        exit 2
        ;;
    esac
done
exit $failed
