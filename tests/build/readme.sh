#!/bin/sh
# SPDX-License-Identifier: MIT
# Every C block of README.md compiles with warnings as errors. A block with main() is a whole program: it is linked
# and run. One that begins with #include is a whole file. Any other is the inside of a function that has a context.
# readme.sh SOURCE CC LIBRARY
set -eu
source=$1
cc=$2
library=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

awk -v work="$work" '
/^```c$/   { open = 1; n++; line[n] = NR; text = ""; next }
/^```$/    { if (open) { file = sprintf("%s/%02d-line-%d.txt", work, n, line[n]); printf "%s", text >file; close(file) }
             open = 0; next }
open       { text = text $0 "\n" }
' "$source/README.md"

for block in "$work"/*.txt; do
    if [ ! -e "$block" ]; then
        echo "FAILED  README.md has no C block"
        exit 1
    fi
    name=$(basename "$block" .txt)
    program=$work/$name
    if grep -q '^int main(' "$block" || grep -q '^#include' "$block"; then
        cp "$block" "$program.c"
    else
        {
            for header in "$source"/include/llmrl/*.h; do
                echo "#include <llmrl/${header##*/}>"
            done
            echo '#include <stdio.h>'
            echo '#include <string.h>'
            echo 'int snippet(rl_context *rl, const rl_request *given, const char *prompt, rl_time now);'
            echo 'int snippet(rl_context *rl, const rl_request *given, const char *prompt, rl_time now)'
            echo '{ (void)rl, (void)given, (void)prompt, (void)now;'
            cat "$block"
            echo 'return 0; }'
        } >"$program.c"
    fi
    flags="-std=c11 -Wall -Wextra -Werror -Wno-unused-variable -Wno-unused-but-set-variable -I $source/include"
    if grep -q '^int main(' "$block"; then
        case $library in
        *.so*) ;;
        *)
            echo "passed over: $name (needs the shared library)"
            continue
            ;;
        esac
        # shellcheck disable=SC2086
        if $cc $flags "$program.c" -o "$program" "$library" "-Wl,-rpath,$(dirname "$library")" &&
            timeout 20 "$program"; then
            echo "ok      $name builds and runs"
        else
            echo "FAILED  $name"
            failed=1
        fi
    else
        # shellcheck disable=SC2086
        if $cc $flags -fsyntax-only "$program.c"; then
            echo "ok      $name"
        else
            echo "FAILED  $name"
            failed=1
        fi
    fi
done
exit "$failed"
