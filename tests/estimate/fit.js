// SPDX-License-Identifier: MIT
// Fits the weights of src/provider/vocabulary.c: node fit.js ESTIMATE_FILES FOLDER
// Files are named <kind>.<half>.<anything>; those of half 0 are fitted to, half 1 is for measure.js.
// Prints the rows of the table.
'use strict';

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { count, highest } = require('./tokenizers.js');

const LOW_COSTS = 8; // an error below the truth counts as much as this many above
const RIDGE = 0.02; // how strongly a weight is held to its prior
const SHORTEST = 60; // tokens; in shorter texts one word decides
const ROBUST = 0.25; // larger errors do not pull harder

const SCRIPTS = ('LATIN VIETNAMESE CYRILLIC CYRILLIC_MORE GREEK ARABIC HEBREW DEVANAGARI INDIC THAI GEORGIAN ' +
    'ETHIOPIC HAN KANA HANGUL WIDE QUOTES SYMBOLS EMOJI RARE_SHORT RARE RARE_LONG INVALID').split(' ');
const WORDS = ('ENGLISH ENGLISH_5 ENGLISH_9 WESTERN WESTERN_5 WESTERN_9 WORD WORD_5 WORD_9 CAPITALS CAPITALS_3 ' +
    'AFTER_MARK AFTER_LETTER SCRAP MIXED NUMBER DIGIT BLANK_NUMBER MARK MARK_OTHER MARK_SAME BLANKS BLANKS_3 ' +
    'LINE LINE_MARK LINE_MORE CONTROL').split(' ');
const units = WORDS.map((w) => 'RL__' + w)
    .concat(SCRIPTS.map((s) => 'RL__SCRIPT_WORD + RL__' + s), SCRIPTS.map((s) => 'RL__SCRIPT_LETTER + RL__' + s));

// Where the samples say little, these stand; units that no sample has keep them.
const PRIOR = {
    ENGLISH: 1, WESTERN: 1.2, WORD: 1.2, CAPITALS: 1, NUMBER: 1, MARK: 1, MARK_OTHER: 0.3, BLANKS: 0.8, LINE: 1,
    LINE_MARK: 0.3, BLANKS_3: 0.02, MARK_SAME: 0.1, LINE_MORE: 0.2, CONTROL: 1, ENGLISH_5: 0.02, ENGLISH_9: 0.1,
    WESTERN_5: 0.15, WESTERN_9: 0.2, WORD_5: 0.15, WORD_9: 0.25, DIGIT: 0,
};
const PRIOR_LETTER = {
    LATIN: 0.5, QUOTES: 1, SYMBOLS: 1.3, EMOJI: 2, RARE_SHORT: 1.2, RARE: 2, RARE_LONG: 4, INVALID: 1, HAN: 1,
    KANA: 1, WIDE: 1, THAI: 0.8, INDIC: 1,
};
const NO_WORD = new Set(['LATIN', 'VIETNAMESE', 'CYRILLIC_MORE', 'INVALID', 'RARE', 'RARE_SHORT', 'RARE_LONG',
    'EMOJI', 'SYMBOLS']);
const prior = WORDS.map((w) => PRIOR[w] ?? 0.2)
    .concat(SCRIPTS.map((s) => (NO_WORD.has(s) ? 0 : 0.2)), SCRIPTS.map((s) => PRIOR_LETTER[s] ?? 0.2));
const pinned = new Set(['RL__CONTROL', 'RL__SCRIPT_WORD + RL__LATIN', 'RL__SCRIPT_WORD + RL__VIETNAMESE',
    'RL__SCRIPT_WORD + RL__CYRILLIC_MORE', 'RL__SCRIPT_WORD + RL__INVALID', 'RL__SCRIPT_LETTER + RL__INVALID',
    'RL__SCRIPT_WORD + RL__RARE_LONG', 'RL__SCRIPT_LETTER + RL__RARE_LONG'].map((u) => units.indexOf(u)));

// What is asked for most, and languages that share a script with one that is asked for far more often.
const SHARE = { en: 3, fa: 0.5, uk: 0.6, bn: 0.4, ta: 0.4, te: 0.4, ml: 0.3, gu: 0.3, hy: 0.5, km: 0.3, my: 0.3, hex: 0.6,
    sr: 0.4, bg: 0.2 };

const [program, folder] = process.argv.slice(2);
const names = fs.readdirSync(folder).filter((name) => name.split('.')[1] === '0').sort();
const makeup = execFileSync(program, ['--makeup'].concat(names.map((name) => path.join(folder, name))), {
    maxBuffer: 1 << 28,
}).toString().trim().split('\n').map((line) => line.split(' ').map(Number));
const truth = names.map((name) => {
    const text = fs.readFileSync(path.join(folder, name), 'utf8');
    const counts = Object.values(count).map((tokens) => tokens(text));

    return counts.concat(highest(counts));
});

// Coordinate descent; weights are never negative.
function fit(column) {
    const rows = names.map((_, i) => i).filter((i) => truth[i][column] >= SHORTEST);
    const x = rows.map((i) => makeup[i].map((n) => n / truth[i][column]));
    const share = rows.map((i) => SHARE[names[i].split('.')[0]] ?? 1);
    const weight = prior.slice();

    for (let round = 0; round < 60; round++) {
        const error = x.map((row) => row.reduce((sum, n, j) => sum + n * weight[j], 0) - 1);
        const pull = error.map((e, i) =>
            share[i] * (e < 0 ? LOW_COSTS : 1) * Math.min(1, ROBUST / Math.abs(e)));
        for (let sweep = 0; sweep < 30; sweep++)
            for (let j = 0; j < units.length; j++) {
                if (pinned.has(j))
                    continue;
                let slope = RIDGE * (weight[j] - prior[j]), curve = RIDGE;
                for (let i = 0; i < x.length; i++) {
                    slope += pull[i] * x[i][j] * error[i];
                    curve += pull[i] * x[i][j] * x[i][j];
                }
                const next = Math.max(0, weight[j] - slope / curve), step = next - weight[j];
                weight[j] = next;
                for (let i = 0; step !== 0 && i < x.length; i++)
                    error[i] += step * x[i][j];
            }
    }
    return weight.map((w) => Math.round(w * 256));
}

const fitted = truth[0].map((_, column) => fit(column));
units.forEach((unit, j) => {
    const row = fitted.map((weights) => weights[j]);
    if (row.some((w) => w > 0))
        console.log(`    [${unit}] = { ${row.join(', ')} },`);
});
