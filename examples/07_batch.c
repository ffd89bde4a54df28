/* SPDX-License-Identifier: MIT */
/* Embeddings: many threads with one text each, few calls. The function that would call the provider
 * makes its vectors up here; what it says about a failure is what a real one would say. */
#include <llmrl/batch.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 8

struct text {
    rl_batcher *batcher;
    const char *words;
    rl_status status;
    double vector[2];
};

static int failed(const char *what, rl_status status)
{
    fprintf(stderr, "%s: %s (%s)\n", what, rl_status_text(status), rl_status_name(status));
    return 1;
}

/* One POST /v1/embeddings with all texts as its "input". What a provider says becomes:
 *   200, a vector for each input    rl_batch_done()
 *   400, one input is refused       rl_batch_fail(.., RL_BATCH_BLAME_ITEM): which one is not said
 *   429, 401, no network            rl_batch_fail(.., RL_BATCH_BLAME_ALL), after your retries */
static void embed(const rl_batch *batch, void *user)
{
    void *vector[4];
    int *calls = user;

    ++*calls;
    printf("call %d: %zu texts\n", *calls, batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        struct text *text = batch->items[i];

        if (text->words[0] == '\0') { /* providers refuse an empty text, and with it the call */
            (void)rl_batch_fail(batch, RL_E_REJECTED, RL_BATCH_BLAME_ITEM);
            return;
        }
        text->vector[0] = (double)strlen(text->words);
        text->vector[1] = (double)(unsigned char)text->words[0];
        vector[i] = text->vector;
    }
    if (rl_batch_done(batch, vector, NULL, batch->count) != RL_OK)
        fprintf(stderr, "as many results as texts, always\n");
}

static void *embed_one(void *user)
{
    struct text *text = user;
    void *vector;

    text->status =
        rl_batcher_submit_and_wait(text->batcher, text, strlen(text->words) / 4 + 1, &vector);
    return NULL;
}

int main(void)
{
    static const char *const words[THREADS] = { "a cat", "a dog", "",      "a horse",
                                                "a cow", "a hen", "a fly", "a fish" };
    rl_batcher_options options = RL_BATCHER_OPTIONS_INIT;
    struct text text[THREADS];
    pthread_t thread[THREADS];
    rl_status status;
    int calls = 0, bad = 0;

    options.run = embed;
    options.user = &calls; /* one call at a time: options.max_in_flight is 1 */
    options.max_items = 4;
    options.max_tokens = 8000;
    options.max_wait = 20 * RL_MILLISECOND;
    if ((status = rl_batcher_new(&options, &text[0].batcher)) != RL_OK)
        return failed("rl_batcher_new", status);
    for (int i = 0; i < THREADS; i++) {
        text[i] = (struct text){ text[0].batcher, words[i], RL_OK, { 0, 0 } };
        if (pthread_create(&thread[i], NULL, embed_one, &text[i]) != 0)
            return failed("pthread_create", RL_E_NOMEM);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(thread[i], NULL);
        printf("\"%s\": %s\n", text[i].words, rl_status_text(text[i].status));
        bad += text[i].status != (words[i][0] == '\0' ? RL_E_REJECTED : RL_OK);
    }
    rl_batcher_free(text[0].batcher);
    return bad == 0 ? 0 : failed("an example of what should not be", RL_E_REJECTED);
}
