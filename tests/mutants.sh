#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Breaks each comparison, rounding, sum and clamp in src/limiter in turn, and shows that a test fails.
#   tests/mutants.sh [FILE...]           all of them; or those of these files of src/limiter
#   tests/mutants.sh --quick [FILE...]   each 20th
# Prints those that no test noticed. Mutants that do what the original does are listed with the reason in
# tests/mutants/equivalent.txt. Exit 1 if there are others. JOBS=n: so many at once (default: the processors).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C LLMRL_PROPERTY_STEPS=${LLMRL_PROPERTY_STEPS:-60000} LLMRL_PROPERTY_ACQUIRES=20000
export work root=$PWD
every=1
if [ "${1:-}" = --quick ]; then
    every=20
    shift
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cflags="-std=gnu11 -O1 -w -D_GNU_SOURCE -DMUTANT_ADD(a,b)=((a)+(b)) -DMUTANT_SUB(a,b)=((a)-(b)) -DMUTANT_MUL(a,b)=((a)*(b))"
export cflags

compile() { # SOURCE OBJECT [OPTION...]: options come first, so that their headers do
    local source=$1 object=$2
    shift 2
    # shellcheck disable=SC2086
    gcc $cflags "$@" -I "$root/src" -I "$root/include" -I "$root/tests/support" -c "$source" -o "$object"
}

# Those that know the limiters.
tests=
for source in tests/unit/test_{gcra,limit,limiter,windows,wide,clock,zone}.c tests/property/prop_*.c; do
    name=$(basename "$source" .c)
    case $name in
    prop_simulation | prop_clock | prop_registry | prop_breaker | prop_retry) ;; # of layers above
    prop_batch | prop_pool | prop_adaptive | prop_lease | prop_route | prop_fallback | prop_no_headers | prop_scenarios | prop_search) ;;
    *)
        tests="$tests $name"
        compile "$source" "$work/$name.o"
        gcc -MM -I src -I include -I tests/support "$source" >"$work/headers_$name"
        ;;
    esac
done
for source in src/base/*.c; do
    compile "$source" "$work/base_$(basename "$source" .c).o"
done
ld -r -o "$work/base.o" "$work"/base_*.o
for source in src/limiter/*.c; do
    name=$(basename "$source" .c)
    compile "$source" "$work/limiter_$name.o"
    gcc -MM -I src -I include "$source" >"$work/headers_$name"
done
asan=-fsanitize=address
for name in test_limiter test_windows; do
    compile "tests/unit/$name.c" "$work/asan_$name.o" $asan
done
model=tests/model/instead
for source in tests/model/model.c tests/model/model_limiter.c; do
    compile "$source" "$work/$(basename "$source" .c).o" -I "$model"
done
export model asan

link() { # PROGRAM OBJECT...
    local program=$1
    shift
    gcc -o "$program" "$@" "$work/base.o" -lcmocka -lpthread 2>/dev/null
}

# As it is, they pass; and this is how long it takes. A mutant that hangs burns five times that, or waits for a minute.
for name in $tests; do
    if ! link "$work/test" "$work/$name.o" "$work"/limiter_*.o; then
        continue # it is about another layer
    fi
    start=$(date +%s%N)
    if ! "$work/test" >/dev/null 2>&1; then
        echo "$name fails without any mutant" >&2
        exit 1
    fi
    echo "$((($(date +%s%N) - start) / 1000000)) $name"
done | sort -n >"$work/times"

passes() { # PROGRAM MILLISECONDS
    (ulimit -t $(($2 / 200 + 2)) && exec timeout 60 "$1") >/dev/null 2>&1
}

# "MILLISECONDS TEST", the quickest first; without those that say nothing about this file.
tests_of() { # FILE
    case $1 in
    zone* | calendar.c | fixed_window.*) grep -vE "limiter|wide|clock" "$work/times" ;;
    limit.c) cat "$work/times" ;;
    limiter.c | wide.c | step.c | several.c | prepared.*) grep -vE "calendar|zone" "$work/times" ;;
    *) grep -vE "calendar|zone|limiter|wide|clock" "$work/times" ;;
    esac
}

# Prints how a mutant ended: stillborn, killed by TEST, survived.
judge() { # DIRECTORY MUTANT: it has limiter/MUTANT
    local dir=$1 mutant=$2 file name object objects='' stepping='' milliseconds
    for file in src/limiter/*.c; do
        name=$(basename "$file" .c)
        object=$work/limiter_$name.o
        if [ -e "$dir/limiter/$name.c" ]; then
            file=$dir/limiter/$name.c
        fi
        if grep -q "limiter/$mutant" "$work/headers_$name"; then
            object=$dir/$name.o
            compile "$file" "$object" -I "$dir" 2>/dev/null || { echo stillborn && return; }
        fi
        objects="$objects $object"
        stepping="$stepping $file"
    done
    while read -r milliseconds name; do
        object=$work/$name.o
        if [ "${mutant%.h}" != "$mutant" ] && grep -q "limiter/$mutant" "$work/headers_$name"; then
            object=$dir/$name.o
            compile tests/*/"$name.c" "$object" -I "$dir" 2>/dev/null || { echo stillborn && return; }
        fi
        # shellcheck disable=SC2086
        link "$dir/test" "$object" $objects || { echo stillborn && return; }
        passes "$dir/test" "$milliseconds" || { echo "killed by $name" && return; }
    done < <(tests_of "$mutant")
    # Arithmetic shows no more than that.
    case $mutant in
    limiter.c | wide.c | prepared.* | sliding_window.c) ;;
    *) echo survived && return ;;
    esac
    # What reads or writes too far.
    for name in test_limiter test_windows; do
        # shellcheck disable=SC2086
        gcc $cflags $asan -I "$dir" -I src -I include -I tests/support $stepping "$work/asan_$name.o" \
            "$work/base.o" -o "$dir/test" -lcmocka -lpthread
        passes "$dir/test" 10000 || { echo "killed by AddressSanitizer" && return; }
    done
    # What only shows when threads meet.
    objects=
    for file in $stepping; do
        object=$dir/step_$(basename "$file" .c).o
        compile "$file" "$object" -I "$dir" -I "$model"
        objects="$objects $object"
    done
    # shellcheck disable=SC2086
    link "$dir/test" "$work/model.o" "$work/model_limiter.o" $objects
    timeout 120 "$dir/test" first >/dev/null 2>&1 || { echo "killed by model_limiter" && return; }
    echo survived
}

try() { # "NUMBER FILE LINE TEXT", by tabs
    local number file line text verdict
    IFS=$'\t' read -r number file line text <<<"$1"
    local dir=$work/$number
    mkdir -p "$dir/limiter"
    text=$text awk -v line="$line" 'FNR == line { print ENVIRON["text"]; next } { print }' \
        "src/limiter/$file" >"$dir/limiter/$file"
    verdict=$(judge "$dir" "$file")
    if [ "$verdict" = survived ] && grep -qF "$file:$(sed -n "${line}p" "src/limiter/$file" | sed 's/^ *//')  ->  $text" \
        tests/mutants/equivalent.txt; then
        verdict=equivalent
    fi
    rm -rf "$dir"
    printf '%s\t%s:%s\t%s\t->  %s\n' "$verdict" "$file" "$line" \
        "$(sed -n "${line}p" "src/limiter/$file" | sed 's/^ *//')" "$text"
}
export -f compile link passes tests_of judge try

if [ $# = 0 ]; then
    set -- src/limiter/*.[ch]
fi
for path in "$@"; do
    file=$(basename "$path")
    if [ "$file" != limiter.h ]; then
        awk -f tests/mutants/mutate.awk "src/limiter/$file" | sed "s/\t */\t/;s/^/$file\t/"
    fi
done | awk -v every="$every" 'NR % every == 0 { print NR "\t" $0 }' >"$work/list"
# shellcheck disable=SC2016 # that dollar is the inner shell's
tr '\n' '\0' <"$work/list" | xargs -0 -P "${JOBS:-$(nproc)}" -I{} bash -c 'try "$1"' _ {} >"$work/verdicts"

grep '^survived' "$work/verdicts" | sort -t "$(printf '\t')" -k2 | cut -f 2- || true
for word in killed stillborn equivalent survived; do
    printf '%s %s  ' "$(grep -c "^$word" "$work/verdicts" || true)" "$word"
done
echo
if [ -n "${MUTANTS_LOG:-}" ]; then
    sort "$work/verdicts" >"$MUTANTS_LOG"
fi
! grep -q '^survived' "$work/verdicts"
