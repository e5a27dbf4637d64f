#include "app/work/conversing.h"

#include "app/work/answer_states.h"
#include "app/work/detail.h"
#include "app/work/grounding.h"

#include <stdlib.h>
#include <string.h>

#define NOWHERE SIZE_MAX

/* --- turns -------------------------------------------------------------------------------- */

static void free_turn(struct conversing_turn *turn)
{
    for (size_t i = 0; turn->quotes && i < turn->quote_count; i++)
        free(turn->quotes[i].text);
    free(turn->quotes);
    free(turn->question);
    free(turn->answer);
}

void conversing_free(struct conversing *conversation)
{
    for (size_t i = 0; i < conversation->count; i++)
        free_turn(&conversation->turns[i]);
    free(conversation->turns);
    *conversation = (struct conversing){0};
}

/* The turn of a question, which stand by ascending id; NOWHERE: none. */
static size_t find(const struct conversing *conversation, int64_t id)
{
    size_t low = 0, high = conversation->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (conversation->turns[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < conversation->count && conversation->turns[low].id == id ? low : NOWHERE;
}

static bool push(struct conversing *conversation, struct error *error)
{
    if (conversation->count == conversation->capacity) {
        size_t capacity = conversation->capacity ? 2 * conversation->capacity : 16;
        struct conversing_turn *turns = reallocarray(conversation->turns, capacity, sizeof *turns);
        if (!turns)
            return error_out_of_memory(error);
        conversation->turns = turns;
        conversation->capacity = capacity;
    }
    conversation->turns[conversation->count++] = (struct conversing_turn){0};
    return true;
}

/* A place in the document as it is now. */
static int64_t within(int64_t ordinal, int64_t sections)
{
    return ordinal < sections ? ordinal : -1;
}

static bool fill_turn(struct session *session, struct conversing_turn *turn,
                      const struct library_question *question, int64_t sections,
                      struct error *error)
{
    struct detail detail;
    if (!detail_read(&detail, question, error))
        return false;
    turn->id = question->id;
    turn->asked_at = question->asked_at;
    turn->section = within(detail.section, sections);
    /* The text may have moved to another section since, or be gone. */
    bool moved = detail.ground_known && detail.as_of < 0 && turn->section >= 0;
    if (moved &&
        !answer_states_find(session, question->document, &detail.ground, &turn->section, error)) {
        detail_free(&detail);
        return false;
    }
    turn->as_of = detail.as_of < sections ? detail.as_of : sections - 1;
    turn->confidence = detail.confidence;
    turn->quotes = detail.quotes;
    turn->quote_count = detail.quote_count;
    detail.quotes = NULL;
    detail_free(&detail);
    turn->question = strdup(question->question);
    turn->answer = question->answer ? strdup(question->answer) : NULL;
    return (turn->question && (turn->answer || !question->answer)) || error_out_of_memory(error);
}

static bool add(struct session *session, struct conversing *conversation,
                const struct library_question *question, int64_t sections, struct error *error)
{
    /* What it follows up stands before it, whatever a database says. */
    bool follows = question->parent > 0 && find(conversation, question->parent) != NOWHERE;
    if (!push(conversation, error))
        return false;
    struct conversing_turn *turn = &conversation->turns[conversation->count - 1];
    if (!fill_turn(session, turn, question, sections, error))
        return false;
    turn->parent = follows ? question->parent : 0;
    return true;
}

/* --- what the document and the states say now --------------------------------------------- */

static bool look_for_states(struct session *session, int64_t document,
                            struct conversing_turn *turns, size_t count, struct error *error)
{
    struct hash fingerprint;
    struct states_info info;
    int64_t model;
    bool known;
    if (!session_known_model(session, &model, &fingerprint, &known, error))
        return false;
    for (size_t i = 0; known && i < count; i++) {
        struct states_place place = {document, fingerprint, STATES_ANSWER, turns[i].id};
        if (!states_look(session->states, &place, &info, &turns[i].state_kept, error))
            return false;
    }
    return true;
}

/* All quotes together: what is not where it was takes a walk through the document. */
static bool look_up_quotes(struct session *session, int64_t document, struct conversing_turn *turns,
                           size_t count, struct error *error)
{
    size_t all = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        all += turns[i].quote_count;
    if (all == 0)
        return true;
    struct asking_quote *quotes = calloc(all, sizeof *quotes);
    if (!quotes)
        return error_out_of_memory(error);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < turns[i].quote_count; j++)
            quotes[at++] = turns[i].quotes[j];
    bool ok = grounding_look_again(session, document, quotes, all, error);
    at = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < turns[i].quote_count; j++)
            turns[i].quotes[j] = quotes[at++];
    free(quotes);
    return ok;
}

static bool look(struct session *session, int64_t document, struct conversing *conversation,
                 size_t first, struct error *error)
{
    struct conversing_turn *turns = conversation->turns + first;
    size_t count = conversation->count - first;
    return count == 0 || (look_for_states(session, document, turns, count, error) &&
                          look_up_quotes(session, document, turns, count, error));
}

static bool count_sections(struct session *session, int64_t document, int64_t *sections,
                           struct error *error)
{
    struct library_document known;
    if (!library_get_document(session->library, document, &known, error))
        return false;
    *sections = known.sections;
    library_document_free(&known);
    return true;
}

/* --- listing ------------------------------------------------------------------------------ */

struct walk {
    struct session *session;
    struct conversing *conversation;
    int64_t sections;
    struct error *error;
    bool ok;
};

static bool take_question(void *context, const struct library_question *question)
{
    struct walk *walk = context;
    walk->ok = add(walk->session, walk->conversation, question, walk->sections, walk->error);
    return walk->ok;
}

bool conversing_list(struct session *session, int64_t document, struct conversing *conversation,
                     struct error *error)
{
    struct walk walk = {
        .session = session, .conversation = conversation, .error = error, .ok = true};
    conversing_free(conversation);
    bool ok = count_sections(session, document, &walk.sections, error) &&
              library_each_question(session->library, document, take_question, &walk, error) &&
              walk.ok && look(session, document, conversation, 0, error);
    if (!ok)
        conversing_free(conversation);
    return ok;
}

bool conversing_add(struct session *session, int64_t question, struct conversing *conversation,
                    struct error *error)
{
    struct library_question kept;
    int64_t sections;
    size_t before = conversation->count;
    if (!library_get_question(session->library, question, &kept, error))
        return false;
    bool ok = count_sections(session, kept.document, &sections, error) &&
              add(session, conversation, &kept, sections, error) &&
              look(session, kept.document, conversation, before, error);
    library_question_free(&kept);
    if (!ok && conversation->count > before)
        free_turn(&conversation->turns[--conversation->count]);
    return ok;
}

bool conversing_tree(const struct conversing *conversation, size_t *order, size_t *depth,
                     struct error *error)
{
    size_t count = conversation->count, at = 0;
    /* Of each turn the first that follows it up and the next beside it; last the roots'. */
    size_t *child = calloc(count + 1, sizeof *child);
    size_t *next = calloc(count + 1, sizeof *next);
    size_t *parents = calloc(count + 1, sizeof *parents);
    bool ok = child && next && parents ? true : error_out_of_memory(error);
    for (size_t i = 0; ok && i <= count; i++)
        child[i] = NOWHERE;
    for (size_t i = count; ok && i-- > 0;) { /* backwards, so that the first comes first */
        int64_t parent = conversation->turns[i].parent;
        size_t under = parent > 0 ? find(conversation, parent) : NOWHERE;
        parents[i] = under < i ? under : count;
        next[i] = child[parents[i]];
        child[parents[i]] = i;
    }
    size_t level = 0;
    for (size_t i = ok ? child[count] : NOWHERE; i != NOWHERE;) {
        order[at] = i;
        depth[at++] = level;
        if (child[i] != NOWHERE) {
            i = child[i];
            level++;
            continue;
        }
        while (next[i] == NOWHERE && parents[i] != count) {
            i = parents[i];
            level--;
        }
        i = next[i];
    }
    free(child);
    free(next);
    free(parents);
    return ok;
}

/* --- removing ------------------------------------------------------------------------------ */

/* The question and all below it: none of their states fits once it is gone. */
struct branch {
    int64_t *ids; /* ascending */
    size_t count, capacity;
    struct error *error;
    bool ok;
};

static bool in_branch(const struct branch *branch, int64_t id)
{
    size_t low = 0, high = branch->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (branch->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < branch->count && branch->ids[low] == id;
}

static bool add_to_branch(struct branch *branch, int64_t id)
{
    if (branch->count == branch->capacity) {
        size_t capacity = branch->capacity ? 2 * branch->capacity : 8;
        int64_t *ids = reallocarray(branch->ids, capacity, sizeof *ids);
        if (!ids)
            return error_out_of_memory(branch->error);
        branch->ids = ids;
        branch->capacity = capacity;
    }
    branch->ids[branch->count++] = id;
    return true;
}

static bool gather_branch(void *context, const struct library_question *question)
{
    struct branch *branch = context;
    if (question->parent > 0 && question->parent < question->id &&
        in_branch(branch, question->parent))
        branch->ok = add_to_branch(branch, question->id);
    return branch->ok;
}

bool conversing_remove(struct session *session, int64_t question, struct error *error)
{
    struct library_question gone;
    if (!library_get_question(session->library, question, &gone, error))
        return false;
    struct branch branch = {.error = error, .ok = true};
    /* A crash between the two leaves states that fit nothing. */
    bool ok =
        add_to_branch(&branch, question) &&
        library_each_question(session->library, gone.document, gather_branch, &branch, error) &&
        branch.ok && library_remove_question(session->library, question, error);
    for (size_t i = 0; ok && i < branch.count; i++)
        ok = states_remove_answer(session->states, gone.document, branch.ids[i], error);
    library_question_free(&gone);
    free(branch.ids);
    return ok;
}
