#!/bin/sh
# SPDX-License-Identifier: MIT
# The library exports what the public headers declare, and nothing else; src/not_built.c defines all of http.h.
# symbols.sh SOURCE CC LIBRARY
set -eu
source=$1
cc=$2
library=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
export LC_ALL=C

declared() { # header...
    sed -n 's/^RL_API [^(]*[ *]\(rl_[a-z0-9_]*\)(.*/\1/p' "$@" | sort
}
same() { # what: compares want and got
    if diff "$work/want" "$work/got" >"$work/diff"; then
        echo "ok      $1: $(wc -l <"$work/want") functions"
    else
        sed -n -e 's/^< /missing   /p' -e 's/^> /unwanted  /p' "$work/diff"
        echo "FAILED  $1"
        failed=1
    fi
}

$cc -std=c11 -I "$source/include" -c "$source/src/not_built.c" -o "$work/not_built.o"
declared "$source/include/llmrl/http.h" >"$work/want"
nm --defined-only -g "$work/not_built.o" | awk '{ print $NF }' | sort >"$work/got"
same "src/not_built.c"

case $library in
*.so*)
    declared "$source"/include/llmrl/*.h >"$work/want"
    nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort >"$work/got"
    same "${library##*/}"
    ;;
*)
    # A static library shows its inner names: they must at least be ours.
    nm -g --defined-only "$library" 2>/dev/null | awk 'NF == 3 && $3 !~ /^rl_/ { print $3 }' >"$work/got"
    : >"$work/want"
    same "${library##*/}: foreign names"
    ;;
esac
exit "$failed"
