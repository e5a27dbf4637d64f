/* Which states to keep when there is room for some.
 *
 * A prefix state is of use to whoever resumes between it and the next one: for each
 * of these positions it saves the tokens since the one before. So it saves
 * (tokens since the one before) x (tokens to the next one), which changes when a
 * neighbour goes: what is left of a long row of states spreads out evenly.
 *
 * A section state saves its own tokens, and is asked about the more often the longer
 * it is: its tokens squared. That is the common case: a question looks at about four
 * sections, and some sixteen questions are asked for each time that someone goes back
 * to the middle of a document. Hence ASKING_WEIGHT; with it, what remains of a
 * document that was squeezed is one prefix state to some eight sections' length.
 *
 * The state of an answer holds the text that the question was asked of, with question
 * and answer. That text the state of its section saves as well, or a prefix state; what
 * it saves alone is question and answer, of which the row does not tell the length:
 * ANSWER_TOKENS stand for them. Most answers are never gone on from, so they do not get
 * ASKING_WEIGHT: every question that was asked leaves such a state, and when room is
 * short they make way for those that reading and asking begin with.
 *
 * All count for less the longer they were not used, and are held against the bytes
 * that they take. The states that are worth least go first, one after the other, each
 * time looking at what is left. */
#include "store/states_private.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ASKING_WEIGHT 64.0
#define ANSWER_TOKENS 256        /* of a question and its answer */
#define HALF_LIFE (30.0 * 86400) /* seconds since the last use */
#define NONE SIZE_MAX

struct candidate {
    int64_t id, token, bytes, created_at;
    double age;           /* in half-lives */
    double worth;         /* logarithm, base 2: old states stay comparable */
    size_t before, after; /* prefix states beside it, of the same document and model */
    size_t at;            /* its place in the heap */
    bool kept;            /* never removed */
};

struct thinning {
    struct states *states;
    struct candidate *items; /* by document, model, kind and section */
    size_t *heap;            /* indices of items; the one worth least is the first */
    size_t count, capacity, waiting;
    /* of the document and model that are being loaded */
    int64_t document;
    struct hash model;
    size_t last;   /* prefix state, the farthest so far */
    size_t newest; /* prefix state, stored last */
};

/* --- worth ----------------------------------------------------------------- */

static double distance(int64_t from, int64_t to)
{
    return to > from ? (double)(to - from) : 0;
}

static double worth(const struct candidate *item, double saved)
{
    return log2(saved / (double)(item->bytes > 0 ? item->bytes : 1)) - item->age;
}

/* For one that is not kept; so it has one after it. */
static void weigh_prefix(struct thinning *thinning, size_t index)
{
    struct candidate *items = thinning->items, *item = &items[index];
    int64_t from = item->before == NONE ? 0 : items[item->before].token;
    item->worth =
        worth(item, distance(from, item->token) * distance(item->token, items[item->after].token));
}

static double weigh_section(const struct candidate *item)
{
    double tokens = (double)item->token;
    return worth(item, ASKING_WEIGHT * tokens * tokens);
}

static double weigh_answer(const struct candidate *item)
{
    double tokens = (double)(item->token < ANSWER_TOKENS ? item->token : ANSWER_TOKENS);
    return worth(item, tokens * tokens);
}

/* --- loading --------------------------------------------------------------- */

static bool make_room(struct thinning *thinning, struct error *error)
{
    if (thinning->count < thinning->capacity)
        return true;
    size_t capacity = thinning->capacity ? 2 * thinning->capacity : 256;
    struct candidate *items = NULL;
    if (capacity <= SIZE_MAX / sizeof *items)
        items = realloc(thinning->items, capacity * sizeof *items);
    if (!items)
        return error_out_of_memory(error);
    thinning->items = items;
    thinning->capacity = capacity;
    return true;
}

/* What a reading goes on from stays: the prefix state that went farthest, and the one
 * stored last, where a document is being read anew that was read farther before. */
static void end_group(struct thinning *thinning)
{
    if (thinning->last != NONE)
        thinning->items[thinning->last].kept = thinning->items[thinning->newest].kept = true;
    thinning->last = thinning->newest = NONE;
}

static void add_prefix(struct thinning *thinning, size_t index)
{
    struct candidate *items = thinning->items;
    items[index].before = thinning->last;
    if (thinning->last != NONE)
        items[thinning->last].after = index;
    thinning->last = index;
    if (thinning->newest == NONE || items[index].created_at >= items[thinning->newest].created_at)
        thinning->newest = index;
}

/* Takes any number that the row may hold: what makes no sense is worth nothing. */
static void take(struct thinning *thinning, struct db_query *query, int64_t now)
{
    size_t index = thinning->count;
    struct candidate *item = &thinning->items[index];
    *item = (struct candidate){.before = NONE, .after = NONE, .at = NONE};
    item->id = db_get_int(query, INT64_MIN, INT64_MAX);
    int64_t document = db_get_int(query, INT64_MIN, INT64_MAX);
    struct hash model = db_get_hash(query);
    int64_t kind = db_get_int(query, INT64_MIN, INT64_MAX);
    item->token = db_get_int(query, INT64_MIN, INT64_MAX);
    item->bytes = db_get_count(query);
    int64_t used_at = db_get_int(query, INT64_MIN, INT64_MAX);
    item->created_at = db_get_int(query, INT64_MIN, INT64_MAX);
    if (!db_ok(query))
        return;
    thinning->count++;
    if (item->token < 0)
        item->token = 0;
    if (used_at < now)
        item->age = ((double)now - (double)used_at) / HALF_LIFE;
    if (document != thinning->document || !hash_equal(&model, &thinning->model))
        end_group(thinning);
    thinning->document = document;
    thinning->model = model;
    if (kind == STATES_PREFIX)
        add_prefix(thinning, index);
    else if (kind == STATES_SECTION)
        item->worth = weigh_section(item);
    else if (kind == STATES_ANSWER)
        item->worth = weigh_answer(item);
    else
        item->worth = worth(item, 0);
}

static bool load(struct thinning *thinning, struct error *error)
{
    struct db_query query;
    int64_t now = clock_unix_time();
    bool ok = true;
    db_prepare(&query, &thinning->states->db, "choose states to remove",
               "SELECT id, document, model, kind, token, " STATES_STORED_BYTES
               ", used_at, created_at FROM state ORDER BY document, model, kind, section");
    while (ok && db_row(&query)) {
        ok = make_room(thinning, error);
        if (ok)
            take(thinning, &query, now);
    }
    end_group(thinning);
    return db_finish(&query, ok ? error : NULL) && ok;
}

/* --- the heap -------------------------------------------------------------- */

/* Of equal ones the first goes first, so that the choice is always the same. */
static bool goes_before(const struct thinning *thinning, size_t left, size_t right)
{
    double a = thinning->items[left].worth, b = thinning->items[right].worth;
    return a != b ? a < b : left < right;
}

static void set(struct thinning *thinning, size_t at, size_t index)
{
    thinning->heap[at] = index;
    thinning->items[index].at = at;
}

static void sift_up(struct thinning *thinning, size_t at)
{
    size_t index = thinning->heap[at];
    while (at > 0 && goes_before(thinning, index, thinning->heap[(at - 1) / 2])) {
        set(thinning, at, thinning->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    set(thinning, at, index);
}

static void sift_down(struct thinning *thinning, size_t at)
{
    size_t index = thinning->heap[at];
    for (size_t child; (child = 2 * at + 1) < thinning->waiting; at = child) {
        if (child + 1 < thinning->waiting &&
            goes_before(thinning, thinning->heap[child + 1], thinning->heap[child]))
            child++;
        if (!goes_before(thinning, thinning->heap[child], index))
            break;
        set(thinning, at, thinning->heap[child]);
    }
    set(thinning, at, index);
}

static bool make_heap(struct thinning *thinning, struct error *error)
{
    thinning->heap = calloc(thinning->count ? thinning->count : 1, sizeof *thinning->heap);
    if (!thinning->heap)
        return error_out_of_memory(error);
    for (size_t i = 0; i < thinning->count; i++) {
        if (thinning->items[i].kept)
            continue;
        if (thinning->items[i].after != NONE)
            weigh_prefix(thinning, i);
        set(thinning, thinning->waiting, i);
        sift_up(thinning, thinning->waiting++);
    }
    return true;
}

static size_t take_first(struct thinning *thinning)
{
    size_t index = thinning->heap[0];
    thinning->items[index].at = NONE;
    thinning->waiting--;
    if (thinning->waiting > 0) {
        set(thinning, 0, thinning->heap[thinning->waiting]);
        sift_down(thinning, 0);
    }
    return index;
}

/* A neighbour of one that went: it is worth more now, or less where the tokens of the
 * rows do not rise. */
static void weigh_again(struct thinning *thinning, size_t index)
{
    if (index == NONE || thinning->items[index].at == NONE)
        return;
    weigh_prefix(thinning, index);
    sift_up(thinning, thinning->items[index].at);
    sift_down(thinning, thinning->items[index].at);
}

static void unlink_item(struct thinning *thinning, size_t index)
{
    const struct candidate *item = &thinning->items[index];
    if (item->before != NONE)
        thinning->items[item->before].after = item->after;
    if (item->after != NONE)
        thinning->items[item->after].before = item->before;
    weigh_again(thinning, item->before);
    weigh_again(thinning, item->after);
}

/* --- thinning -------------------------------------------------------------- */

static bool choose_and_remove(struct thinning *thinning, int64_t target, struct states_freed *freed,
                              struct error *error)
{
    if (!load(thinning, error) || !make_heap(thinning, error))
        return false;
    while (freed->left > target && thinning->waiting > 0) {
        size_t index = take_first(thinning);
        struct states_freed one = {0};
        if (!states_room_remove(thinning->states, thinning->items[index].id, NULL, &one, error))
            return false;
        freed->states += one.states;
        freed->bytes += one.bytes;
        freed->left -= one.bytes;
        unlink_item(thinning, index);
    }
    return true;
}

/* Within the transaction that removes them: nobody stores or removes meanwhile. */
static bool thin(struct states *states, int64_t budget, struct states_freed *freed,
                 struct error *error)
{
    struct thinning thinning = {.states = states, .last = NONE, .newest = NONE};
    if (!states_room_total(states, &freed->left, error))
        return false;
    if (freed->left <= budget)
        return true;
    bool ok = choose_and_remove(&thinning, budget - budget / 16, freed, error);
    free(thinning.items);
    free(thinning.heap);
    return ok;
}

bool states_make_room(struct states *states, int64_t budget, struct states_freed *freed,
                      struct error *error)
{
    assert(budget >= 0);
    *freed = (struct states_freed){0};
    if (!states_room_total(states, &freed->left, error))
        return false;
    if (freed->left <= budget)
        return true;
    bool own;
    if (!db_enter(&states->db, &own, error))
        return false;
    if (!db_leave(&states->db, own, thin(states, budget, freed, error), error)) {
        *freed = (struct states_freed){0};
        states_room_forget(states);
        return false;
    }
    states_room_grew(states, -freed->bytes);
    return true;
}

bool states_thin(struct states *states, int64_t budget, struct states_freed *freed,
                 struct error *error)
{
    return states_make_room(states, budget, freed, error) &&
           (freed->states == 0 || states_shrink(states, error));
}
