#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes a batch of varied requests in the form of OpenAI's Batch API, one a line: the same for the same SEED.
#   make_requests.sh [COUNT [SEED]]   default: 400 requests, seed 1
set -eu
count=${1:-400}
seed=${2:-1}
case $count$seed in
*[!0-9]*)
    echo "usage: make_requests.sh [COUNT [SEED]]" >&2
    exit 2
    ;;
esac

LC_ALL=C awk -v count="$count" -v seed="$seed" '
# A generator of our own: rand() is another one in every awk.
function below(n) { state = (state * 16807) % 2147483647; return int(state / 2147483647 * n) }
function one_of(list,   n, part) { n = split(list, part, "|"); return part[1 + below(n)] }
function quoted(text) {
    gsub(/\\/, "&&", text); gsub(/"/, "\\\"", text); gsub(/\n/, "\\n", text); gsub(/\t/, "\\t", text)
    return "\"" text "\""
}
function message(role, content) { return "{\"role\":\"" role "\",\"content\":" quoted(content) "}" }

function sentences(n,   i, text) {
    for (i = 0; i < n; i++)
        text = text (i ? " " : "") one_of(who) " " one_of(did) " " one_of(what) " " one_of(when) "."
    return text
}
function review(   text) {
    text = one_of("I bought|My sister gave me|We ordered|The office got") " " one_of(thing) \
        " " one_of("last week|in May|for my birthday|on sale") ". "
    return text one_of("It stopped working after two days.|Best purchase this year!|Does what it says, no more." \
        "|The box was open and a part was missing.|Fast delivery, friendly note inside.|I would not buy it again.")
}
function code(   name) {
    name = one_of("count_words|parse_port|merge_sorted|read_all|is_leap_year|clamp")
    return one_of("def " name "(x):\n\treturn x[1:] + x[:1]|int " name "(const char *s)\n{\n\treturn s[0] == \"\\n\"[0];\n}" \
        "|func " name "(a []int) int {\n\tn := 0\n\tfor _, v := range a {\n\t\tn += v\n\t}\n\treturn n\n}")
}
function request(kind,   task, user, cap) {
    if (kind < 3) {
        task = "You summarise texts in one or two plain sentences."
        user = "Summarise:\n\n" sentences(4 + below(9))
        cap = 60 + 20 * below(4)
    } else if (kind < 6) {
        task = "Answer with one word: positive, negative or neutral."
        user = review()
        cap = 5
    } else if (kind < 8) {
        task = "You translate. Keep the tone; add nothing."
        user = "Into " one_of("French|German|Spanish|Danish|Polish|Italian|Portuguese") ": " sentences(1 + below(4))
        cap = 80 + 40 * below(3)
    } else if (kind < 9) {
        task = "You are a careful programmer."
        user = one_of("What does this do, and is it right?|Write three test cases for this.|Make this shorter.") "\n\n" code()
        cap = 200 + 100 * below(3)
    } else {
        task = "Extract name, date and place as JSON."
        user = sentences(2 + below(2)) " Contact: " one_of("A. Jensen|M. \"Max\" Okafor|L. Rossi|P. Nowak") ", " \
            one_of("3 March|next Tuesday|12/11|the 4th of July") ", " one_of("Aarhus|Lagos|Turin|Gda\305\204sk") "."
        cap = 50
    }
    return sprintf("{\"model\":\"%s\",\"messages\":[%s,%s],\"max_tokens\":%d}", "gpt-4o-mini", \
        message("system", task), message("user", user), cap)
}
BEGIN {
    who = "The committee|A neighbour|Our supplier|The night shift|One of the pilots|The library|A small firm in Leeds"
    did = "postponed|quietly approved|lost|rebuilt|asked about|could not explain|paid for"
    what = "the new timetable|two of the bridges|a crate of spare valves|the annual report|the old ticket machine" \
        "|a study of local rivers|the \"temporary\" fence"
    when = "on Friday|before the rain came|for the third time|after a long discussion|without telling anyone|in late autumn"
    thing = "this kettle|a pair of headphones|the folding desk|a second-hand bicycle|the garden lamp"
    state = seed % 2147483646 + 1
    for (n = 1; n <= count; n++) {
        # No body twice: a provider cannot tell that from a request that was sent twice.
        do { body = request(below(10)) } while (body in seen && ++again < 1000000)
        seen[body]
        printf "{\"custom_id\":\"request-%05d\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":%s}\n", n, body
    }
}'
