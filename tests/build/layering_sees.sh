#!/bin/sh
# SPDX-License-Identifier: MIT
# The layering check itself: in a tree with one breach of each kind it must name each of them, and nothing else.
# layering_sees.sh SOURCE
set -eu
script=$1/tests/build/layering.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p src/base src/limiter src/scope src/flow src/http src/cli src/context src/extra

cat >src/base/good.c <<'END'
#include "base/env.h"
#include "text.h"
#include <llmrl/base.h>
#include <string.h>
/* free(x), printf("y") and
   #include "context/context.h" in a comment */
// abort() in another
static const char *text = "call malloc(1) /* not a comment", c = '"'; /* exit(1) */
void rl__free(void *p) { (void)snprintf(b, n, "malloc"); hooks.resize(p); }
END
echo 'void *f(void) { return malloc(1); }' >src/base/alloc.c
printf '%s\n' '#include "limiter/plan.h"' '#include <llmrl/limiter.h>' >src/base/breach.c
printf '%s\n' '#include "base/env.h"' '#include "scope/scope.h"' '#include <llmrl/queue.h>' \
    '#include <cjson/cJSON.h>' >src/limiter/breach.c
printf '%s\n' 'void g(void) { free(p); }' 'int h(void) { return clock_gettime(0, 0); }' >src/scope/breach.c
printf '%s\n' 'void i(void) { fprintf(stderr, "x"); }' 'void j(void) { atomic_thread_fence(0); }' >src/flow/breach.c
printf '%s\n' '#include "http/own.h"' '#include "own.h"' '#include "base/env.h"' 'void k(void) { abort(); }' \
    'void l(void) { free(p); }' >src/http/breach.c
printf '%s\n' '#include "../http/own.h"' '#include "context/context.h"' 'void m(void) { printf("fine"); exit(1); }' \
    'void n(void) { strcpy(a, b); }' >src/cli/breach.c
printf '%s\n' '#include "flow/queue.h"' '#include <llmrl/config.h>' '#include "llmrl/llmrl.h"' >src/context/breach.c
echo 'int x;' >src/extra/x.c

cat >want <<'END'
src/base/breach.c:1
src/base/breach.c:2
src/cli/breach.c:1
src/cli/breach.c:2
src/cli/breach.c:4
src/context/breach.c:3
src/extra/x.c:1
src/flow/breach.c:1
src/flow/breach.c:1
src/flow/breach.c:2
src/http/breach.c:3
src/http/breach.c:4
src/limiter/breach.c:2
src/limiter/breach.c:3
src/limiter/breach.c:4
src/scope/breach.c:1
src/scope/breach.c:2
END
if sh "$script" "$work" >report; then
    echo "FAILED  the check passed a tree full of breaches"
    exit 1
fi
sed 's/^\([^:]*:[0-9]*\):.*/\1/' report | LC_ALL=C sort >got
if ! diff want got; then
    cat report
    echo "FAILED  the check saw other breaches than there are"
    exit 1
fi
echo "ok      $(wc -l <want) breaches, each named"
