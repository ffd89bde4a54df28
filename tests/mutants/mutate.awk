# SPDX-License-Identifier: MIT
# One line for each mutant of a C file: its line number, a tab, and the line as it is then. Comments, directives and
# declarations at the left margin stay as they are.
BEGIN {
    swaps = 0
    swap(" < ", " <= "); swap(" <= ", " < "); swap(" > ", " >= "); swap(" >= ", " > ")
    swap(" == ", " != "); swap(" != ", " == "); swap(" && ", " || "); swap(" || ", " && ")
    swap(" + ", " - "); swap(" - ", " + "); swap(" += ", " -= "); swap(" -= ", " += ")
    swap(" * ", " + "); swap(" / ", " * "); swap(" << ", " >> "); swap(" >> ", " << "); swap(" >>= ", " <<= ")
    swap("rl__mul_div_up(", "rl__mul_div("); swap("rl__mul_div(", "rl__mul_div_up(")
    swap("rl__min(", "rl__max("); swap("rl__max(", "rl__min(")
    swap("rl__add_sat(", "MUTANT_ADD("); swap("rl__sub_sat(", "MUTANT_SUB("); swap("rl__mul_sat(", "MUTANT_MUL(")
    swap("return 0;", "return 1;"); swap("return 1;", "return 0;")
    swap(" : 0;", " : 1;"); swap(" ? 0 ", " ? 1 "); swap("(1, ", "(0, ")
    swap("CLOCK_MAX", "UINT64_MAX"); swap("WORD_MAX", "UINT64_MAX")
}
function swap(from, to) { swaps++; old[swaps] = from; new[swaps] = to }
function show(text) { if (text != $0) print FNR "\t" text }

/^[ \t]*\/\*/ { comment = 1 }
{ code = !comment && /^[ \t]+[^ \t]/ && !/^[ \t]*#/ }
/\*\// { comment = 0 }
/\/\*/ && !/\*\// { comment = 1 } # it goes on in the next line
!code || /RL_ASSERT|^ *[a-z_0-9]+ \*?[a-z_]+(, \*?[a-z_]+)*;$/ { next }
{
    end = index($0, "/*"); if (!end) end = length($0) + 1
    for (i = 1; i <= swaps; i++) {
        start = 1
        while ((at = index(substr($0, start), old[i])) && start + at - 1 < end) {
            at += start - 1
            show(substr($0, 1, at - 1) new[i] substr($0, at + length(old[i])))
            start = at + length(old[i])
        }
    }
}
# A statement of one line that sets something.
/^ +\*?[a-z_]+(->|\.|\[|\]|[a-zA-Z_0-9])* ([-+|*>]|>>)?= .*;/ && last ~ /[;{}:)\/]$|else$/ {
    indent = $0; sub(/[^ ].*/, "", indent)
    show(indent ";")
}
{ last = $0; sub(/ *\/\*.*/, "", last); if (last == "") last = ";" }
