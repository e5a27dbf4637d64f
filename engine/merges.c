#include "engine/merges.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NO_RANK UINT32_MAX
#define NO_PAIR UINT64_MAX

/* Up to this many tokens the lowest rank is found by looking at all of them. */
#define SHORT_WORD 48

struct pair {
    uint64_t ids; /* left << 32 | right, or NO_PAIR */
    uint32_t rank;
    int32_t result;
};

struct merges {
    struct pair *pairs; /* open addressing, linear probing, at most half full */
    int32_t *results;   /* by rank */
    size_t mask, count, capacity;
};

struct merges *merges_new(size_t capacity, struct error *error)
{
    struct merges *merges = calloc(1, sizeof *merges);
    size_t slots = 2;
    while (slots / 2 < capacity && slots <= SIZE_MAX / 4 / sizeof *merges->pairs)
        slots *= 2;
    if (merges && capacity < NO_RANK && slots / 2 >= capacity) {
        merges->pairs = malloc(slots * sizeof *merges->pairs);
        merges->results = calloc(capacity ? capacity : 1, sizeof *merges->results);
    }
    if (!merges || !merges->pairs || !merges->results) {
        merges_free(merges);
        error_out_of_memory(error);
        return NULL;
    }
    merges->mask = slots - 1;
    merges->capacity = capacity;
    for (size_t i = 0; i < slots; i++)
        merges->pairs[i] = (struct pair){.ids = NO_PAIR, .rank = NO_RANK};
    return merges;
}

void merges_free(struct merges *merges)
{
    if (!merges)
        return;
    free(merges->pairs);
    free(merges->results);
    free(merges);
}

/* The pair's slot, or the empty one where it belongs. */
static struct pair *find(const struct merges *merges, int32_t left, int32_t right)
{
    uint64_t ids = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t hash = ids * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
    size_t slot = (size_t)hash & merges->mask;
    while (merges->pairs[slot].ids != ids && merges->pairs[slot].ids != NO_PAIR)
        slot = (slot + 1) & merges->mask;
    return &merges->pairs[slot];
}

static uint32_t rank_of(const struct merges *merges, int32_t left, int32_t right)
{
    return find(merges, left, right)->rank;
}

bool merges_add(struct merges *merges, int32_t left, int32_t right, int32_t result)
{
    assert(merges->count < merges->capacity && left >= 0 && right >= 0 && result >= 0);
    struct pair *pair = find(merges, left, right);
    if (pair->ids != NO_PAIR)
        return false;
    pair->ids = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    pair->rank = (uint32_t)merges->count;
    merges->results[merges->count++] = result;
    return true;
}

static size_t merge_short(const struct merges *merges, int32_t *ids, size_t count)
{
    uint32_t ranks[SHORT_WORD]; /* ranks[i]: of the pair ids[i], ids[i + 1] */
    for (size_t i = 0; i + 1 < count; i++)
        ranks[i] = rank_of(merges, ids[i], ids[i + 1]);
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (ranks[best] == NO_RANK)
            break;
        ids[best] = merges->results[ranks[best]];
        count--;
        size_t moved = count - best - 1;
        memmove(ids + best + 1, ids + best + 2, moved * sizeof *ids);
        if (moved)
            memmove(ranks + best, ranks + best + 1, moved * sizeof *ranks);
        if (best + 1 < count)
            ranks[best] = rank_of(merges, ids[best], ids[best + 1]);
        if (best > 0)
            ranks[best - 1] = rank_of(merges, ids[best - 1], ids[best]);
    }
    return count;
}

/* A long word is a doubly linked list of tokens in their first places, and a heap
 * of pairs by (rank, place). A pair in the heap is stale when the token at its
 * place has another rank by now. */
struct long_word {
    const struct merges *merges;
    int32_t *ids;
    uint32_t *ranks; /* of the pair that begins here; NO_RANK once merged away */
    uint32_t *next, *previous;
    uint32_t count;
    uint64_t *heap; /* rank << 32 | place; the smallest first */
    size_t heap_count;
};

static void heap_push(struct long_word *word, uint64_t item)
{
    size_t at = word->heap_count++;
    while (at > 0 && word->heap[(at - 1) / 2] > item) {
        word->heap[at] = word->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    word->heap[at] = item;
}

static uint64_t heap_pop(struct long_word *word)
{
    uint64_t top = word->heap[0], item = word->heap[--word->heap_count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < word->heap_count) {
        if (child + 1 < word->heap_count && word->heap[child + 1] < word->heap[child])
            child++;
        if (word->heap[child] >= item)
            break;
        word->heap[at] = word->heap[child];
        at = child;
    }
    word->heap[at] = item;
    return top;
}

/* Looks up the pair that begins at `place` and queues it. */
static void rank_pair(struct long_word *word, uint32_t place)
{
    uint32_t next = word->next[place];
    uint32_t rank =
        next < word->count ? rank_of(word->merges, word->ids[place], word->ids[next]) : NO_RANK;
    word->ranks[place] = rank;
    if (rank != NO_RANK)
        heap_push(word, (uint64_t)rank << 32 | place);
}

static void merge_at(struct long_word *word, uint32_t place)
{
    uint32_t gone = word->next[place];
    word->ids[place] = word->merges->results[word->ranks[place]];
    word->ranks[gone] = NO_RANK;
    word->next[place] = word->next[gone];
    if (word->next[gone] < word->count)
        word->previous[word->next[gone]] = place;
    rank_pair(word, place);
    if (place > 0)
        rank_pair(word, word->previous[place]);
}

static size_t merge_long(struct long_word *word)
{
    for (uint32_t i = 0; i < word->count; i++) {
        word->next[i] = i + 1;
        word->previous[i] = i ? i - 1 : 0;
    }
    for (uint32_t i = 0; i < word->count; i++)
        rank_pair(word, i);
    while (word->heap_count) {
        uint64_t item = heap_pop(word);
        uint32_t place = (uint32_t)item;
        if (word->ranks[place] == (uint32_t)(item >> 32))
            merge_at(word, place);
    }
    size_t kept = 0;
    for (uint32_t i = 0; i < word->count; i = word->next[i])
        word->ids[kept++] = word->ids[i];
    return kept;
}

bool merges_apply(const struct merges *merges, int32_t *ids, size_t *count, struct error *error)
{
    if (*count <= SHORT_WORD) {
        *count = merge_short(merges, ids, *count);
        return true;
    }
    size_t size = *count;
    if (size >= NO_RANK)
        return error_set(error, ERROR_INPUT, "a single word of %zu bytes is too long to tokenize",
                         size);
    /* Each token queues one pair at first and each merge at most two more. */
    uint64_t *heap = calloc(size, 3 * sizeof *heap);
    uint32_t *places = calloc(size, 3 * sizeof *places);
    bool ok = heap && places;
    if (ok) {
        struct long_word word = {.merges = merges,
                                 .ids = ids,
                                 .ranks = places,
                                 .next = places + size,
                                 .previous = places + 2 * size,
                                 .count = (uint32_t)size,
                                 .heap = heap};
        *count = merge_long(&word);
    }
    free(heap);
    free(places);
    return ok || error_out_of_memory(error);
}
