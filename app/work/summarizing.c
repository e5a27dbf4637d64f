#include "app/work/summarizing.h"

#include "app/work/feeding.h"
#include "app/work/generate.h"
#include "app/work/prefix.h"
#include "app/work/quoting.h"
#include "app/work/section_states.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The words the bundled model was taught; any instructed model knows them too. */
#define REQUEST "Summarize the text."

enum {
    DEFAULT_TOKENS = 128,
    LANES = 64,          /* sections side by side at most, */
    LEAST_LANES = 16,    /* and where the processor computes, or a GPU has little room */
    BLOCK_BYTES = 4000,  /* of summaries that are summarized together: about a section */
    SHORT_SECTION = 200, /* characters up to which a section is its own summary */
    SECTION_SENTENCES = 2,
    WHOLE_SENTENCES = 5,
    SO_FAR_BYTES = 1 << 18, /* of the latest text that "so far" chooses from */
};

/* A text whose summary is wanted, or known. */
struct piece {
    enum library_summary_kind kind;
    int64_t section;  /* ordinal, or -1 */
    int64_t last;     /* last section that is covered */
    struct hash from; /* what the summary is made from */
    char *source;     /* text to be read for it; NULL: the section's state serves */
    char *summary;
    bool kept;
};

struct summing {
    struct session *session;
    const struct summarizing_options *options;
    struct summarizing_result *result;
    size_t max_tokens;
    enum library_summary_kind whole; /* what the parts are reduced to ... */
    int64_t whole_section;           /* ... and of which section that is; -1: none */
    int64_t done, all;               /* pieces, for progress */
};

static void free_pieces(struct piece *pieces, size_t count)
{
    for (size_t i = 0; pieces && i < count; i++) {
        free(pieces[i].source);
        free(pieces[i].summary);
    }
    free(pieces);
}

/* --- what is kept ---------------------------------------------------------------------- */

/* Everything a summary depends on besides document and model. */
static struct hash made_from(const struct summing *s, const struct hash *text)
{
    struct {
        struct hash text;
        uint64_t max_tokens; /* 0: chosen sentences */
        char request[32];
    } all = {
        .text = *text, .max_tokens = s->options->own_words ? s->max_tokens : 0, .request = REQUEST};
    return hash_of(&all, sizeof all);
}

static bool look_up(struct summing *s, struct piece *piece, struct error *error)
{
    struct buffer text = {0};
    bool found;
    if (!library_get_summary(s->session->library, s->options->document, s->session->model_id,
                             piece->kind, piece->section, &piece->from, &text, &found, error))
        return false;
    if (found) {
        piece->kept = true;
        piece->summary = strdup(text.data ? text.data : "");
    }
    buffer_free(&text);
    return !found || piece->summary || error_out_of_memory(error);
}

static bool put(struct summing *s, struct piece *piece, const char *text, struct error *error)
{
    piece->summary = strdup(text ? text : "");
    if (!piece->summary)
        return error_out_of_memory(error);
    return library_put_summary(s->session->library, s->options->document, s->session->model_id,
                               piece->kind, piece->section, &piece->from, piece->summary, error);
}

static void report(struct summing *s, int64_t section)
{
    struct event_progress progress = {.doing = "summarizing",
                                      .document = s->options->document,
                                      .section = section,
                                      .sections = s->all,
                                      .tokens = s->result->tokens_generated,
                                      .seconds_left = -1};
    session_progress(s->session, &progress);
}

/* --- lanes -------------------------------------------------------------------------------- */

/* With a large model this takes many passes: what is told of them moves. */
static bool feed(struct summing *s, const char *doing, const struct forward_lane *lanes,
                 size_t count, struct error *error)
{
    struct feeding feeding = {.session = s->session,
                              .progress = {.doing = doing, .document = s->options->document}};
    for (size_t i = 0; i < count; i++)
        feeding.progress.tokens_expected += (int64_t)lanes[i].count;
    return feeding_prefill(&feeding, lanes, count, error);
}

static bool add_request(struct summing *s, struct state *const *states, size_t count,
                        struct error *error)
{
    struct tokens tail = {0};
    struct forward_lane lanes[LANES];
    bool ok = prompt_question(&s->session->model->prompt, s->session->model->tokenizer, REQUEST,
                              &tail, error);
    for (size_t i = 0; i < count; i++)
        lanes[i] =
            (struct forward_lane){.state = states[i], .tokens = tail.data, .count = tail.count};
    ok = ok && feed(s, "asking for summaries", lanes, count, error);
    tokens_free(&tail);
    return ok;
}

/* Reads the texts of pieces that have no saved state. */
static bool read_sources(struct summing *s, struct piece *const *pieces,
                         struct state *const *states, size_t count, struct error *error)
{
    struct tokens tokens[LANES] = {0};
    struct forward_lane lanes[LANES];
    const struct tokens *preamble = &s->session->preamble;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        for (size_t j = 0; ok && j < preamble->count; j++)
            ok = tokens_append(&tokens[i], preamble->data[j], error);
        ok = ok && session_encode_section(s->session, pieces[i]->source, strlen(pieces[i]->source),
                                          false, &tokens[i], error);
        lanes[i] = (struct forward_lane){
            .state = states[i], .tokens = tokens[i].data, .count = tokens[i].count};
    }
    ok = ok && feed(s, "reading summaries", lanes, count, error);
    for (size_t i = 0; i < count; i++)
        tokens_free(&tokens[i]);
    return ok;
}

static bool load_sections(struct summing *s, struct piece *const *pieces,
                          struct state *const *states, size_t count, struct error *error)
{
    int64_t sections[LANES], reread;
    struct states_info infos[LANES];
    bool saved[LANES];
    for (size_t i = 0; i < count; i++)
        sections[i] = pieces[i]->section;
    if (!section_states_load(s->session, s->options->document, sections, count, states, infos,
                             saved, &reread, error))
        return false;
    s->result->tokens_reread += reread;
    return true;
}

/* The text that a piece's sentences are chosen from. */
static bool text_of(struct summing *s, const struct piece *piece, struct buffer *text,
                    struct error *error)
{
    if (piece->source)
        return buffer_append_text(text, piece->source, error);
    int64_t first = piece->section;
    bool ok = true;
    if (piece->kind == LIBRARY_SUMMARY_SO_FAR)
        for (int64_t bytes = 0; ok && first > 0 && bytes < SO_FAR_BYTES; first--) {
            struct library_section before;
            ok = library_get_section(s->session->library, s->options->document, first - 1,
                                     LIBRARY_TEXT, &before, error);
            bytes += ok ? (int64_t)before.text_size : 0;
            if (ok)
                library_section_free(&before);
        }
    for (; ok && first <= piece->section; first++) {
        struct library_section section;
        ok = library_get_section(s->session->library, s->options->document, first, LIBRARY_TEXT,
                                 &section, error);
        if (!ok)
            break;
        ok = buffer_append(text, section.text, section.text_size, error);
        library_section_free(&section);
    }
    return ok;
}

static int by_place(const void *a, const void *b)
{
    const struct quoting_sentence *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* The sentences of a piece that the model has chosen so far, and those that are left. */
struct choosing {
    struct buffer text;
    struct quoting_sentences left;
    struct quoting_sentence chosen[WHOLE_SENTENCES];
    size_t count, most;
    bool ended;
};

static bool start_choosing(struct summing *s, struct choosing *c, const struct piece *piece,
                           struct error *error)
{
    c->most = piece->kind == LIBRARY_SUMMARY_SECTION ? SECTION_SENTENCES : WHOLE_SENTENCES;
    return buffer_append(&c->text, "", 0, error) && text_of(s, piece, &c->text, error) &&
           quoting_split(&c->left, c->text.data, c->text.size, error);
}

/* One sentence more for each lane, until it has enough or would rather end. *any: some lane
 * got one. */
static bool choose_next(struct summing *s, struct choosing *all, struct state *const *states,
                        size_t count, bool *any, struct error *error)
{
    struct quoting_choice choices[LANES];
    size_t lanes[LANES], going = 0;
    for (size_t i = 0; i < count; i++) {
        struct choosing *c = &all[i];
        if (c->ended || c->count == c->most || c->left.count == 0)
            continue;
        choices[going] = (struct quoting_choice){.state = states[i],
                                                 .text = c->text.data,
                                                 .sentences = &c->left,
                                                 .lead = c->count ? " " : "",
                                                 .finish = c->count + 1 < c->most,
                                                 .optional = c->count > 0};
        lanes[going++] = i;
    }
    *any = going > 0;
    if (!quoting_choose(s->session, choices, going, error))
        return false;
    for (size_t k = 0; k < going; k++) {
        struct choosing *c = &all[lanes[k]];
        c->ended = choices[k].ended;
        if (c->ended)
            continue;
        c->chosen[c->count++] = c->left.items[choices[k].chosen];
        quoting_drop(&c->left, choices[k].chosen);
    }
    return true;
}

/* The chosen sentences in the order of the text. */
static bool join_chosen(struct choosing *c, struct buffer *summary, struct error *error)
{
    qsort(c->chosen, c->count, sizeof c->chosen[0], by_place);
    bool ok = buffer_append(summary, "", 0, error);
    for (size_t i = 0; ok && i < c->count; i++)
        ok = (i == 0 || buffer_append_byte(summary, ' ', error)) &&
             buffer_append(summary, c->text.data + c->chosen[i].begin,
                           c->chosen[i].end - c->chosen[i].begin, error);
    return ok;
}

/* Lets each lane choose its sentences, all lanes side by side. */
static bool choose_pieces(struct summing *s, struct piece *const *pieces,
                          struct state *const *states, size_t count, struct error *error)
{
    struct choosing all[LANES] = {0};
    bool ok = add_request(s, states, count, error), any = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = start_choosing(s, &all[i], pieces[i], error);
    while (ok && any)
        ok = choose_next(s, all, states, count, &any, error);
    for (size_t i = 0; i < count; i++) {
        struct buffer summary = {0};
        ok = ok && join_chosen(&all[i], &summary, error) && put(s, pieces[i], summary.data, error);
        buffer_free(&summary);
        quoting_sentences_free(&all[i].left);
        buffer_free(&all[i].text);
    }
    return ok;
}

/* Decodes the lanes' summaries and keeps them. */
static bool decode_pieces(struct summing *s, struct piece *const *pieces,
                          struct state *const *states, size_t count, struct error *error)
{
    struct generate_lane lanes[LANES] = {0};
    if (!s->options->own_words)
        return choose_pieces(s, pieces, states, count, error);
    for (size_t i = 0; i < count; i++)
        lanes[i].state = states[i];
    bool ok = add_request(s, states, count, error) &&
              generate_run(s->session, lanes, count, &sampler_defaults, s->max_tokens,
                           count == 1 ? 0 : -1, error);
    for (size_t i = 0; i < count; i++) {
        s->result->tokens_generated += (int64_t)lanes[i].tokens.count;
        ok = ok && put(s, pieces[i], lanes[i].text.data, error);
        generate_lane_free(&lanes[i]);
    }
    return ok;
}

/* Up to LANES pieces of one sort: all with a source text, or all with sections. */
static bool run_lanes(struct summing *s, struct piece *const *pieces, size_t count,
                      struct error *error)
{
    struct state *states[LANES] = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = (states[i] = state_new(&s->session->model->shape, error)) != NULL;
    ok = ok && (pieces[0]->source ? read_sources(s, pieces, states, count, error)
                                  : load_sections(s, pieces, states, count, error));
    ok = ok && decode_pieces(s, pieces, states, count, error);
    for (size_t i = 0; i < count; i++)
        state_free(states[i]);
    return ok;
}

/* As many as a GPU decodes at once, if their states fill no more than half of its free memory,
 * and a quarter of the host's, which keeps a copy of each. */
static size_t most_lanes(const struct summing *s)
{
    struct forward_device device;
    struct error none;
    if (!forward_device(s->session->forward, &device, &none))
        return LEAST_LANES;
    const double host = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    const double room = fmin((device.memory_all - device.memory_used) / 2, host / 4) /
                        (double)state_bytes(&s->session->model->shape);
    return room >= LANES ? LANES : room <= LEAST_LANES ? LEAST_LANES : (size_t)room;
}

/* Fills every piece's summary, from the library or side by side. */
static bool summarize_pieces(struct summing *s, struct piece *pieces, size_t count,
                             struct error *error)
{
    const size_t most = most_lanes(s);
    struct piece *waiting[LANES];
    size_t lanes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!pieces[i].summary && !look_up(s, &pieces[i], error))
            return false;
        if (!pieces[i].summary)
            waiting[lanes++] = &pieces[i];
        if (lanes == most || (i + 1 == count && lanes > 0)) {
            if (!run_lanes(s, waiting, lanes, error))
                return false;
            lanes = 0;
        }
        s->done++;
        report(s, s->done - 1);
    }
    return true;
}

/* --- the whole from the parts ------------------------------------------------------------ */

/* Appends text to block unless it would grow beyond a block's size. */
static bool fits(const struct buffer *block, const char *text)
{
    return block->size + strlen(text) + 1 <= BLOCK_BYTES;
}

static bool add_block(struct piece **blocks, size_t *count, struct buffer *block, int64_t last,
                      const struct summing *s, struct error *error)
{
    struct piece *grown = realloc(*blocks, (*count + 1) * sizeof *grown);
    if (!grown)
        return error_out_of_memory(error);
    *blocks = grown;
    struct hash text = hash_of(block->data, block->size);
    grown[(*count)++] = (struct piece){.kind = LIBRARY_SUMMARY_PART,
                                       .section = last,
                                       .last = last,
                                       .from = made_from(s, &text),
                                       .source = block->data};
    *block = (struct buffer){0};
    return true;
}

/* Packs the pieces' summaries, in order, into as few blocks as hold them; at least two
 * in each, however long they are, so that every round leaves fewer. */
static bool pack(const struct summing *s, const struct piece *pieces, size_t count,
                 struct piece **blocks, size_t *block_count, struct error *error)
{
    struct buffer block = {0};
    bool ok = true;
    int64_t last = -1;
    size_t packed = 0; /* pieces in the block */
    *blocks = NULL;
    *block_count = 0;
    for (size_t i = 0; ok && i < count; i++) {
        if (packed >= 2 && !fits(&block, pieces[i].summary)) {
            ok = add_block(blocks, block_count, &block, last, s, error);
            packed = 0;
        }
        packed++;
        ok = ok && buffer_append_text(&block, pieces[i].summary, error) &&
             buffer_append_byte(&block, '\n', error);
        last = pieces[i].last;
    }
    ok = ok && (block.size == 0 || add_block(blocks, block_count, &block, last, s, error));
    buffer_free(&block);
    return ok;
}

/* Summarizes summaries until one is left, which becomes *text. */
static bool reduce(struct summing *s, const struct piece *pieces, size_t count, char **text,
                   bool *kept, struct error *error)
{
    struct piece *blocks;
    size_t block_count;
    bool ok = pack(s, pieces, count, &blocks, &block_count, error);
    if (ok && block_count == 1) {
        blocks[0].kind = s->whole;
        blocks[0].section = s->whole_section;
    }
    s->all += (int64_t)block_count;
    ok = ok && summarize_pieces(s, blocks, block_count, error);
    if (ok && block_count > 1) {
        ok = reduce(s, blocks, block_count, text, kept, error);
    } else if (ok) {
        *text = strdup(block_count ? blocks[0].summary : "");
        *kept = block_count && blocks[0].kept;
        ok = *text || error_out_of_memory(error);
    }
    free_pieces(blocks, block_count);
    return ok;
}

/* --- what can be asked for ----------------------------------------------------------------- */

static bool section_piece(struct summing *s, int64_t ordinal, struct piece *piece,
                          struct error *error)
{
    struct library_section section;
    if (!library_get_section(s->session->library, s->options->document, ordinal, LIBRARY_TEXT,
                             &section, error))
        return false;
    *piece = (struct piece){.kind = LIBRARY_SUMMARY_SECTION,
                            .section = ordinal,
                            .last = ordinal,
                            .from = made_from(s, &section.text_hash)};
    bool ok = true;
    if (section.characters <= SHORT_SECTION) {
        piece->summary = strdup(section.text);
        piece->kept = true;
        ok = piece->summary || error_out_of_memory(error);
    }
    library_section_free(&section);
    return ok;
}

static bool sum_section(struct summing *s, struct error *error)
{
    struct piece piece = {0};
    s->all = 1;
    bool ok = section_piece(s, s->options->section, &piece, error) &&
              summarize_pieces(s, &piece, 1, error);
    s->result->text = piece.summary;
    s->result->kept = piece.kept;
    return ok;
}

static bool take_parts(struct summarizing_result *result, struct piece *pieces, size_t count,
                       struct error *error)
{
    result->parts = calloc(count ? count : 1, sizeof *result->parts);
    if (!result->parts)
        return error_out_of_memory(error);
    result->part_count = count;
    for (size_t i = 0; i < count; i++) {
        result->parts[i] =
            (struct summarizing_part){pieces[i].section, pieces[i].summary, pieces[i].kept};
        pieces[i].summary = NULL;
    }
    return true;
}

/* Sections [first, end), each, and then all of them together. */
static bool sum_sections(struct summing *s, int64_t first, int64_t end, struct error *error)
{
    size_t count = (size_t)(end - first);
    struct piece *pieces = calloc(count ? count : 1, sizeof *pieces);
    if (!pieces)
        return error_out_of_memory(error);
    s->all = (int64_t)count;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = section_piece(s, first + (int64_t)i, &pieces[i], error);
    ok = ok && summarize_pieces(s, pieces, count, error) &&
         reduce(s, pieces, count, &s->result->text, &s->result->kept, error) &&
         take_parts(s->result, pieces, count, error);
    free_pieces(pieces, count);
    return ok;
}

static bool sum_document(struct summing *s, struct error *error)
{
    struct library_document document;
    if (!library_get_document(s->session->library, s->options->document, &document, error))
        return false;
    int64_t count = document.sections;
    library_document_free(&document);
    s->whole = LIBRARY_SUMMARY_DOCUMENT;
    s->whole_section = -1;
    return sum_sections(s, 0, count, error);
}

/* Where a chapter begins and ends in the outline. */
struct chapter {
    int64_t asked; /* a section of it */
    int64_t first, end;
    int64_t level, source; /* of its first section */
};

/* The further parts of a long section go with its first. */
static bool take_section(void *context, const struct library_section *section)
{
    struct chapter *chapter = context;
    bool begins = section->part <= 1;
    if (section->ordinal <= chapter->asked) {
        if (begins || section->ordinal == 0) {
            chapter->first = section->ordinal;
            chapter->level = section->level;
            chapter->source = section->source;
        }
        chapter->end = section->ordinal + 1;
        return true;
    }
    if (section->source != chapter->source || (begins && section->level <= chapter->level))
        return false;
    chapter->end = section->ordinal + 1;
    return true;
}

static bool sum_chapter(struct summing *s, struct error *error)
{
    struct chapter chapter = {.asked = s->options->chapter - 1};
    struct library_section section;
    if (!library_get_section(s->session->library, s->options->document, chapter.asked,
                             LIBRARY_OUTLINE, &section, error))
        return false;
    library_section_free(&section);
    if (!library_each_section(s->session->library, s->options->document, LIBRARY_OUTLINE,
                              take_section, &chapter, error))
        return false;
    s->whole = LIBRARY_SUMMARY_CHAPTER;
    s->whole_section = chapter.first;
    return sum_sections(s, chapter.first, chapter.end, error);
}

static bool sum_so_far(struct summing *s, struct error *error)
{
    struct hash text;
    struct states_info info;
    struct piece piece = {
        .kind = LIBRARY_SUMMARY_SO_FAR, .section = s->options->so_far, .last = s->options->so_far};
    struct piece *only = &piece;
    if (!prefix_text_hash(s->session, s->options->document, s->options->so_far, &text, error))
        return false;
    piece.from = made_from(s, &text);
    if (!look_up(s, &piece, error))
        return false;
    struct state *state = piece.summary ? NULL : state_new(&s->session->model->shape, error);
    bool ok = piece.summary || state;
    if (ok && state)
        ok = prefix_reach(s->session, s->options->document, s->options->so_far, state, &info,
                          &s->result->tokens_reread, error) &&
             decode_pieces(s, &only, &state, 1, error);
    state_free(state);
    s->result->text = piece.summary;
    s->result->kept = piece.kept;
    return ok;
}

bool summarizing_run(struct session *session, const struct summarizing_options *options,
                     struct summarizing_result *result, struct error *error)
{
    double started = clock_seconds();
    *result = (struct summarizing_result){0};
    struct summing s = {.session = session,
                        .options = options,
                        .result = result,
                        .max_tokens = options->max_tokens ? options->max_tokens : DEFAULT_TOKENS};
    bool ok = session_need_model(session, error);
    if (ok && options->so_far >= 0)
        ok = sum_so_far(&s, error);
    else if (ok && options->chapter > 0)
        ok = sum_chapter(&s, error);
    else if (ok && options->section >= 0)
        ok = sum_section(&s, error);
    else if (ok)
        ok = sum_document(&s, error);
    result->seconds = clock_seconds() - started;
    if (!ok)
        summarizing_result_free(result);
    return ok;
}

void summarizing_result_free(struct summarizing_result *result)
{
    for (size_t i = 0; result->parts && i < result->part_count; i++)
        free(result->parts[i].text);
    free(result->parts);
    free(result->text);
    *result = (struct summarizing_result){0};
}
