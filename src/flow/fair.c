/* SPDX-License-Identifier: MIT */
/* Owns shares: virtual times and accounts. See fair.h. */
#include "flow/fair.h"

#include "base/arith.h"

#define OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void rl__fair_init(struct rl__fair *fair, struct rl__env *env)
{
    *fair = (struct rl__fair){ .env = env };
    rl__map_init(&fair->classes, env);
    rl__map_init(&fair->accounts, env);
}

void rl__fair_deinit(struct rl__fair *fair)
{
    if (fair->env == NULL)
        return;
    rl__kept_free(&fair->free_classes, fair->env);
    rl__kept_free(&fair->free_accounts, fair->env);
    rl__map_deinit(&fair->classes);
    rl__map_deinit(&fair->accounts);
}

/* ---- finding and making ---- */

static uint64_t hash_of_place(uint64_t place, uint64_t level)
{
    return rl__map_mix(place, level);
}

static struct rl__fair_class *find_class(const struct rl__fair *fair, uint64_t place,
                                         uint64_t level)
{
    struct rl__map_node *node = rl__map_find(&fair->classes, hash_of_place(place, level));

    for (; node != NULL; node = rl__map_next(node)) {
        struct rl__fair_class *class = OWNER(node, struct rl__fair_class, node);

        if (class->place == place && class->level == level)
            return class;
    }
    return NULL;
}

static struct rl__fair_class *make_class(struct rl__fair *fair, uint64_t place, uint64_t level)
{
    struct rl__fair_class *class = rl__kept_take(&fair->free_classes, fair->env, sizeof *class);

    if (class == NULL)
        return NULL;
    *class = (struct rl__fair_class){ .place = place, .level = level };
    class->node.hash = hash_of_place(place, level);
    rl__map_add(&fair->classes, &class->node);
    return class;
}

static struct rl__account *find_account(const struct rl__fair *fair,
                                        const struct rl__fair_class *class, uint64_t key)
{
    struct rl__map_node *node = rl__map_find(&fair->accounts, rl__map_mix(class->node.hash, key));

    for (; node != NULL; node = rl__map_next(node)) {
        struct rl__account *account = OWNER(node, struct rl__account, node);

        if (account->class == class && account->key == key)
            return account;
    }
    return NULL;
}

static struct rl__account *make_account(struct rl__fair *fair, struct rl__fair_class *class,
                                        uint64_t key)
{
    struct rl__account *account = rl__kept_take(&fair->free_accounts, fair->env, sizeof *account);

    if (account == NULL)
        return NULL;
    *account = (struct rl__account){ .class = class, .key = key };
    account->node.hash = rl__map_mix(class->node.hash, key);
    rl__map_add(&fair->accounts, &account->node);
    return account;
}

static void drop_account(struct rl__fair *fair, struct rl__account *account)
{
    rl__heap_remove(&account->class->idle, &account->idle);
    rl__map_remove(&fair->accounts, &account->node);
    rl__kept_give(&fair->free_accounts, &account->node);
}

/* Of those that nobody has joined, the ones whose end lies before `time`. */
static void drop_idle(struct rl__fair *fair, struct rl__fair_class *class, uint64_t time)
{
    struct rl__heap_node *node;

    while ((node = rl__heap_peek(&class->idle)) != NULL && node->key[0] <= time)
        drop_account(fair, OWNER(node, struct rl__account, idle));
}

/* Nobody waits at that level any more, so nobody is owed anything. */
static void drop_class(struct rl__fair *fair, struct rl__fair_class *class)
{
    drop_idle(fair, class, UINT64_MAX);
    rl__map_remove(&fair->classes, &class->node);
    rl__kept_give(&fair->free_classes, &class->node);
}

static struct rl__account *join(struct rl__fair *fair, struct rl__fair_class *class, uint64_t key)
{
    struct rl__account *account = find_account(fair, class, key);

    if (account == NULL && (account = make_account(fair, class, key)) == NULL) {
        if (class->joined == 0)
            drop_class(fair, class);
        return NULL;
    }
    rl__heap_remove(&class->idle, &account->idle);
    account->joined++;
    class->joined++;
    return account;
}

struct rl__account *rl__fair_join(struct rl__fair *fair, uint64_t place, uint64_t level,
                                  uint64_t key)
{
    struct rl__fair_class *class = find_class(fair, place, level);

    if (class == NULL && (class = make_class(fair, place, level)) == NULL)
        return NULL;
    return join(fair, class, key);
}

struct rl__account *rl__fair_join_others(struct rl__fair *fair, uint64_t place, uint64_t level,
                                         uint64_t key)
{
    struct rl__fair_class *class = find_class(fair, place, level);

    return class == NULL ? NULL : join(fair, class, key);
}

void rl__fair_leave(struct rl__fair *fair, struct rl__account *account)
{
    struct rl__fair_class *class;

    if (account == NULL)
        return;
    class = account->class;
    class->joined--;
    if (--account->joined == 0) {
        if (account->end > class->now) {
            account->idle.key[0] = account->end;
            account->idle.key[1] = 0; /* of one end, in whichever order */
            rl__heap_push(&class->idle, &account->idle);
        } else {
            drop_account(fair, account);
        }
    }
    if (class->joined == 0)
        drop_class(fair, class);
}

uint64_t rl__fair_start(const struct rl__account *account)
{
    return account == NULL ? 0 : rl__max(account->class->now, account->end);
}

void rl__fair_serve(struct rl__fair *fair, struct rl__account *account, uint64_t start,
                    uint64_t span)
{
    if (account == NULL)
        return;
    account->end = rl__max(account->end, rl__add_sat(start, rl__max(span, 1)));
    account->class->now = rl__max(account->class->now, start);
    drop_idle(fair, account->class, account->class->now);
}
