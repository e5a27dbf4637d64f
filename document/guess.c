#include "document/guess.h"

#include "document/plausible.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <uchardet.h>

/* Of encodings that say the same, the first is taken: the wider one, the commoner one.
 * `rare` is how much a text is less likely to be in it, as a logarithm. */
static const struct {
    const char *name;
    double rare;
} usual[] = {
    {"windows-1252", 0}, {"windows-1250", 1}, {"windows-1251", 1}, {"windows-1253", 2},
    {"windows-1254", 2}, {"windows-1255", 2}, {"windows-1256", 2}, {"windows-1257", 3},
    {"windows-1258", 3}, {"KOI8-R", 2},       {"KOI8-U", 3},       {"ISO-8859-15", 2},
    {"ISO-8859-2", 2},   {"ISO-8859-5", 3},   {"ISO-8859-7", 3},   {"ISO-8859-13", 4},
    {"ISO-8859-4", 5},   {"ISO-8859-3", 5},   {"ISO-8859-6", 4},   {"ISO-8859-8", 3},
    {"ISO-8859-10", 5},  {"ISO-8859-11", 3},  {"ISO-8859-14", 5},  {"ISO-8859-16", 5},
    {"GB18030", 1},      {"Big5", 1},         {"Shift_JIS", 1},    {"EUC-JP", 2},
    {"EUC-KR", 1},
};

enum { USUAL = sizeof usual / sizeof *usual, CANDIDATES = USUAL + 1, UNUSUAL = 5 };

struct candidate {
    struct encoding encoding;
    double rare;
    struct plausible plausible;
};

struct guess {
    struct plausible_sample sample;
    struct candidate candidates[CANDIDATES];
    size_t count;
    struct encoding answer; /* uchardet's for the whole; name "" for none */
};

/* --- uchardet --------------------------------------------------------------------------- */

/* Its answer, or false for none, and for UTF-8 and ASCII, which the text is not. */
static bool ask(struct encoding *answer, uchardet_t detector, const char *bytes, size_t size)
{
    uchardet_reset(detector);
    bool ok = uchardet_handle_data(detector, bytes, size) == 0;
    uchardet_data_end(detector);
    const char *name = ok ? uchardet_get_charset(detector) : "";
    return encoding_named(answer, name, false) && strncmp(answer->charset, "UTF-", 4) != 0;
}

/* --- choosing --------------------------------------------------------------------------- */

static bool add(struct guess *guess, const struct encoding *encoding, double rare,
                struct error *error)
{
    struct candidate *candidate = &guess->candidates[guess->count];
    for (size_t i = 0; i < guess->count; i++) {
        if (strcmp(guess->candidates[i].encoding.charset, encoding->charset) == 0)
            return true;
    }
    candidate->encoding = *encoding;
    candidate->rare = rare;
    guess->count++;
    return plausible_score(&candidate->plausible, encoding->name, encoding->charset, &guess->sample,
                           error);
}

static double score_of(const struct guess *guess, const struct candidate *candidate)
{
    const double start = 3, per_byte = 0.02;
    double score = candidate->plausible.score - candidate->rare;
    if (strcmp(candidate->encoding.charset, guess->answer.charset) == 0)
        score += start + per_byte * (double)guess->sample.all_high;
    return score;
}

static const struct candidate *choose(const struct guess *guess)
{
    const struct candidate *best = &guess->candidates[0];
    for (size_t i = 1; i < guess->count; i++) {
        if (score_of(guess, &guess->candidates[i]) > score_of(guess, best))
            best = &guess->candidates[i];
    }
    /* uchardet's head start is not to decide between names for the same text. */
    for (size_t i = 0; i < guess->count; i++) {
        if (guess->candidates[i].plausible.text == best->plausible.text)
            return &guess->candidates[i];
    }
    return best;
}

/* Would the text be the same in it? */
static bool is_same(const struct guess *guess, const struct encoding *answer,
                    const struct candidate *chosen)
{
    for (size_t i = 0; i < guess->count; i++) {
        const struct candidate *candidate = &guess->candidates[i];
        if (strcmp(candidate->encoding.charset, answer->charset) == 0)
            return candidate->plausible.text == chosen->plausible.text;
    }
    return false;
}

/* The share of the bytes beyond ASCII that are in parts for which uchardet says what it
 * turned out to be, the whole counting as much as all parts. */
static double agreement(const struct guess *guess, const struct candidate *chosen)
{
    uchardet_t detector = uchardet_new();
    if (!detector)
        return 0;
    const struct plausible_sample *sample = &guess->sample;
    size_t agreeing = is_same(guess, &guess->answer, chosen) ? sample->all_high : 0;
    for (size_t i = 0; i < PLAUSIBLE_PARTS; i++) {
        struct encoding answer;
        if (sample->high[i] > 0 && ask(&answer, detector, sample->bytes[i], sample->size[i]) &&
            is_same(guess, &answer, chosen))
            agreeing += sample->high[i];
    }
    uchardet_delete(detector);
    return (double)agreeing / (2.0 * (double)sample->all_high);
}

static unsigned confidence(const struct guess *guess, const struct candidate *chosen)
{
    double high = (double)guess->sample.all_high, margin = 1000;
    double score = score_of(guess, chosen);
    for (size_t i = 0; i < guess->count; i++) {
        const struct candidate *other = &guess->candidates[i];
        if (other->plausible.text != chosen->plausible.text)
            margin = fmin(margin, score - score_of(guess, other));
    }
    double odds = 1 / (1 + exp(-margin / 4));
    double fit = fmin(fmax((chosen->plausible.score / high + 8) / 4, 0), 1);
    double amount = high / (high + 2);
    double agreed = 0.9 + 0.1 * agreement(guess, chosen);
    double result = 100 * odds * (0.4 + 0.6 * fit) * amount * agreed;
    return (unsigned)fmin(fmax(result, 1), 99);
}

static bool fill(struct guess *guess, const char *bytes, size_t size, struct error *error)
{
    plausible_take(&guess->sample, bytes, size);
    uchardet_t detector = uchardet_new();
    if (!detector)
        return error_out_of_memory(error);
    struct encoding encoding;
    if (!ask(&guess->answer, detector, bytes, size))
        guess->answer = (struct encoding){0};
    uchardet_delete(detector);
    for (size_t i = 0; i < USUAL; i++) {
        if (encoding_named(&encoding, usual[i].name, false) &&
            !add(guess, &encoding, usual[i].rare, error))
            return false;
    }
    return guess->answer.name[0] == '\0' || add(guess, &guess->answer, UNUSUAL, error);
}

/* Bytes that no encoding makes anything of, or a text that no language would have. */
static bool is_text(const struct guess *guess, const struct candidate *chosen)
{
    const double hopeless = -6.5;
    size_t size = 0, high = guess->sample.all_high;
    for (size_t i = 0; i < PLAUSIBLE_PARTS; i++)
        size += guess->sample.size[i];
    bool strange =
        high >= 32 && high > size / 3 && chosen->plausible.score < hopeless * (double)high;
    return chosen->plausible.invalid <= size / 10 && !strange;
}

bool guess_encoding(struct encoding *encoding, bool *text, const char *bytes, size_t size,
                    struct error *error)
{
    struct guess *guess = calloc(1, sizeof *guess);
    if (!guess)
        return error_out_of_memory(error);
    bool ok = fill(guess, bytes, size, error);
    if (ok) {
        const struct candidate *chosen = choose(guess);
        *encoding = chosen->encoding;
        encoding->evidence = DOCUMENT_GUESSED;
        encoding->confidence = confidence(guess, chosen);
        *text = is_text(guess, chosen);
    }
    free(guess);
    return ok;
}
