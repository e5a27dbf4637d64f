#include "engine/user_tokens.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NO_TOKEN (-1)

/* Marks of the bytes of a cluster; a token's id stands at its first byte. */
#define FREE (-1)
#define TAKEN (-2)

/* The tokens as a trie. Node 0 is the root; a child or sibling of 0 is none. */
struct node {
    uint32_t child, sibling;
    int32_t id; /* of the token that ends here, or NO_TOKEN */
    unsigned char byte;
};

struct user_tokens {
    struct node *nodes;
    size_t node_count, node_capacity;
    uint32_t first[256];                        /* the root's children by byte */
    bool has_length[USER_TOKENS_MAX_BYTES + 1]; /* some token is that long */

    /* The walk: matches that overlap one another form a cluster, which is settled
     * as a whole. */
    const char *text;
    size_t size, at;
    size_t cluster, cluster_end; /* where the one in `marks` lies; at >= end: none */
    int32_t *marks;
    size_t mark_capacity;
};

struct user_tokens *user_tokens_new(struct error *error)
{
    struct user_tokens *tokens = calloc(1, sizeof *tokens);
    if (!tokens) {
        error_out_of_memory(error);
        return NULL;
    }
    tokens->node_count = 1; /* the root lies in `first` */
    return tokens;
}

void user_tokens_free(struct user_tokens *tokens)
{
    if (!tokens)
        return;
    free(tokens->nodes);
    free(tokens->marks);
    free(tokens);
}

static bool reserve_nodes(struct user_tokens *tokens, size_t more, struct error *error)
{
    if (tokens->node_count + more <= tokens->node_capacity)
        return true;
    size_t capacity = tokens->node_capacity ? 2 * tokens->node_capacity : 256;
    while (capacity < tokens->node_count + more)
        capacity *= 2;
    if (capacity > UINT32_MAX)
        return error_out_of_memory(error);
    struct node *nodes = realloc(tokens->nodes, capacity * sizeof *nodes);
    if (!nodes)
        return error_out_of_memory(error);
    tokens->nodes = nodes;
    tokens->node_capacity = capacity;
    return true;
}

/* The node's child for a byte, or 0; node 0 is the root. */
static uint32_t find_child(const struct user_tokens *tokens, uint32_t node, unsigned char byte)
{
    if (node == 0)
        return tokens->first[byte];
    uint32_t child = tokens->nodes[node].child;
    while (child && tokens->nodes[child].byte != byte)
        child = tokens->nodes[child].sibling;
    return child;
}

static uint32_t add_child(struct user_tokens *tokens, uint32_t node, unsigned char byte)
{
    uint32_t child = (uint32_t)tokens->node_count++;
    uint32_t *link = node ? &tokens->nodes[node].child : &tokens->first[byte];
    tokens->nodes[child] = (struct node){.sibling = *link, .id = NO_TOKEN, .byte = byte};
    *link = child;
    return child;
}

bool user_tokens_add(struct user_tokens *tokens, const char *text, size_t size, int32_t id,
                     struct error *error)
{
    assert(size > 0 && size <= USER_TOKENS_MAX_BYTES && id >= 0);
    if (!reserve_nodes(tokens, size, error))
        return false;
    uint32_t node = 0;
    for (size_t i = 0; i < size; i++) {
        uint32_t child = find_child(tokens, node, (unsigned char)text[i]);
        node = child ? child : add_child(tokens, node, (unsigned char)text[i]);
    }
    if (tokens->nodes[node].id == NO_TOKEN)
        tokens->nodes[node].id = id;
    tokens->has_length[size] = true;
    return true;
}

/* Bytes of the longest token at text[at], or 0. */
static size_t longest_at(const struct user_tokens *tokens, size_t at, int32_t *id)
{
    size_t longest = 0;
    uint32_t node = 0;
    for (size_t i = at; i < tokens->size; i++) {
        node = find_child(tokens, node, (unsigned char)tokens->text[i]);
        if (!node)
            break;
        if (tokens->nodes[node].id != NO_TOKEN) {
            longest = i + 1 - at;
            *id = tokens->nodes[node].id;
        }
    }
    return longest;
}

/* The id of the token that is exactly text[at..at + size), or NO_TOKEN. */
static int32_t exactly_at(const struct user_tokens *tokens, size_t at, size_t size)
{
    uint32_t node = 0;
    for (size_t i = 0; i < size; i++) {
        node = find_child(tokens, node, (unsigned char)tokens->text[at + i]);
        if (!node)
            return NO_TOKEN;
    }
    return tokens->nodes[node].id;
}

/* Gives the cluster's free bytes to the tokens of one length, from left to right.
 * All tokens placed before are at least as long, so that one which overlaps
 * [at, at + size) covers its first or its last byte. */
static void settle_length(struct user_tokens *tokens, size_t size)
{
    size_t at = tokens->cluster;
    while (at + size <= tokens->cluster_end) {
        int32_t *mark = tokens->marks + (at - tokens->cluster);
        int32_t id = NO_TOKEN;
        if (mark[0] == FREE && mark[size - 1] == FREE)
            id = exactly_at(tokens, at, size);
        if (id == NO_TOKEN) {
            at++;
            continue;
        }
        for (size_t i = 1; i < size; i++)
            mark[i] = TAKEN;
        mark[0] = id;
        at += size;
    }
}

static bool settle_cluster(struct user_tokens *tokens, size_t longest, struct error *error)
{
    size_t size = tokens->cluster_end - tokens->cluster;
    if (size > tokens->mark_capacity) {
        free(tokens->marks);
        tokens->mark_capacity = 0;
        tokens->marks = malloc(size * sizeof *tokens->marks);
        if (!tokens->marks)
            return error_out_of_memory(error);
        tokens->mark_capacity = size;
    }
    for (size_t i = 0; i < size; i++)
        tokens->marks[i] = FREE;
    for (size_t length = longest; length > 0; length--)
        if (tokens->has_length[length])
            settle_length(tokens, length);
    return true;
}

/* The next token of the settled cluster that the walk is in. */
static bool next_in_cluster(struct user_tokens *tokens, struct user_tokens_match *match)
{
    for (; tokens->at < tokens->cluster_end; tokens->at++) {
        const int32_t *mark = tokens->marks + (tokens->at - tokens->cluster);
        if (*mark < 0)
            continue;
        size_t size = 1, limit = tokens->cluster_end - tokens->at;
        while (size < limit && mark[size] == TAKEN)
            size++;
        *match = (struct user_tokens_match){tokens->at, size, *mark};
        tokens->at += size;
        return true;
    }
    return false;
}

void user_tokens_begin(struct user_tokens *tokens, const char *text, size_t size)
{
    tokens->text = text;
    tokens->size = size;
    tokens->at = 0;
    tokens->cluster = tokens->cluster_end = 0;
}

bool user_tokens_next(struct user_tokens *tokens, struct user_tokens_match *match, bool *found,
                      struct error *error)
{
    *found = next_in_cluster(tokens, match);
    while (!*found && tokens->at < tokens->size) {
        int32_t id;
        size_t start = tokens->at;
        size_t longest = longest_at(tokens, start, &id);
        if (longest == 0) {
            tokens->at++;
            continue;
        }
        size_t end = start + longest;
        for (size_t at = start + 1; at < end; at++) {
            int32_t other;
            size_t size = longest_at(tokens, at, &other);
            longest = size > longest ? size : longest;
            end = at + size > end ? at + size : end;
        }
        /* Most matches stand alone: nothing to settle. */
        if (end == start + longest) {
            *match = (struct user_tokens_match){start, longest, id};
            *found = true;
            tokens->at = end;
            return true;
        }
        tokens->cluster = start;
        tokens->cluster_end = end;
        if (!settle_cluster(tokens, longest, error))
            return false;
        *found = next_in_cluster(tokens, match);
    }
    return true;
}
