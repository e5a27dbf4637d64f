#include "document/plausible.h"

#include "base/utf8.h"
#include "document/alphabet.h"
#include "document/decoder.h"
#include "document/rune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* --- the sample ----------------------------------------------------------------------- */

static size_t count_high(const char *bytes, size_t size)
{
    size_t high = 0;
    for (size_t i = 0; i < size; i++)
        high += (unsigned char)bytes[i] >= 0x80;
    return high;
}

/* Lines that begin in bytes[begin..end); a line too long is cut. */
static void take_part(struct plausible_sample *sample, size_t part, const char *bytes, size_t size,
                      size_t begin, size_t end)
{
    size_t *filled = &sample->size[part];
    for (size_t at = begin; at < end && *filled < PLAUSIBLE_PART;) {
        const char *stop = memchr(bytes + at, '\n', size - at);
        size_t length = stop ? (size_t)(stop - bytes) + 1 - at : size - at;
        size_t room = PLAUSIBLE_PART - *filled;
        if (count_high(bytes + at, length) > 0) {
            memcpy(sample->bytes[part] + *filled, bytes + at, length < room ? length : room);
            *filled += length < room ? length : room;
        }
        at += length;
    }
    sample->high[part] = count_high(sample->bytes[part], *filled);
    sample->all_high += sample->high[part];
}

void plausible_take(struct plausible_sample *sample, const char *bytes, size_t size)
{
    *sample = (struct plausible_sample){0};
    size_t begin = 0;
    for (size_t part = 0; part < PLAUSIBLE_PARTS; part++) {
        size_t end = size / PLAUSIBLE_PARTS * (part + 1);
        const char *stop =
            part + 1 < PLAUSIBLE_PARTS ? memchr(bytes + end, '\n', size - end) : NULL;
        end = stop ? (size_t)(stop - bytes) + 1 : size;
        if (begin < end)
            take_part(sample, part, bytes, size, begin, end);
        begin = end;
    }
}

/* --- characters in their place ---------------------------------------------------------- */

enum script { NONE, LATIN, GREEK, CYRILLIC, HEBREW, ARABIC, THAI, EASTERN, OTHER };

static enum script script_of(uint32_t rune)
{
    static const struct {
        uint32_t end;
        enum script script;
    } ranges[] = {
        {0x0250, LATIN}, {0x0370, OTHER},   {0x0400, GREEK},   {0x0530, CYRILLIC},
        {0x0590, OTHER}, {0x0600, HEBREW},  {0x0780, ARABIC},  {0x0E00, OTHER},
        {0x0E80, THAI},  {0x1100, OTHER},   {0x1200, EASTERN}, {0x1E00, OTHER},
        {0x1F00, LATIN}, {0x2000, GREEK},   {0x2E80, OTHER},   {0xD7B0, EASTERN},
        {0xF900, OTHER}, {0xFB00, EASTERN}, {0xFF00, OTHER},   {0xFFF0, EASTERN},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (rune < ranges[i].end)
            return ranges[i].script;
    }
    return rune < DECODER_INVALID ? EASTERN : NONE;
}

static bool is_ordinal(uint32_t rune)
{
    return rune == 0xAA || rune == 0xBA;
}

static bool is_mark(uint32_t rune)
{
    return rune >= 0x300 && rune < DECODER_INVALID &&
           utf8proc_category((utf8proc_int32_t)rune) == UTF8PROC_CATEGORY_MN;
}

static bool is_letter(uint32_t rune)
{
    return rune < DECODER_INVALID && rune_is_letter(rune) && !is_ordinal(rune);
}

/* What is known of a character's place. */
struct place {
    uint32_t before, rune, after; /* 0: nothing */
    unsigned char lead, trail;    /* its first bytes; trail 0 for a single one */
    const char *name;             /* of the encoding */
};

enum { HOPELESS = -12, UNLIKELY = -9, ODD = -7 };

/* Do the standards count it among the frequent ones? All of them list these first. */
static bool is_common(const struct place *place)
{
    if (strcmp(place->name, "GB18030") == 0)
        return place->lead >= 0xB0 && place->lead <= 0xD7 && place->trail >= 0xA1;
    if (strcmp(place->name, "Big5") == 0)
        return place->lead >= 0xA4 && place->lead <= 0xC6;
    if (strcmp(place->name, "Shift_JIS") == 0)
        return place->lead >= 0x88 && place->lead <= 0x98;
    if (strcmp(place->name, "EUC-KR") == 0)
        return place->lead >= 0xB0 && place->lead <= 0xC8 && place->trail >= 0xA1;
    return place->lead >= 0xB0 && place->lead <= 0xCF;
}

static bool is_kana(uint32_t rune)
{
    return rune >= 0x3041 && rune <= 0x30FF;
}

/* A letter of no language's alphabet; alphabets add to it. */
static double letter_floor(const struct place *place)
{
    if (script_of(place->rune) != EASTERN || is_kana(place->rune))
        return UNLIKELY;
    if (place->rune >= 0xFF00)
        return ODD;
    return is_common(place) ? UNLIKELY : HOPELESS;
}

static double judge_case(const struct place *place)
{
    double score = 0;
    bool upper = rune_is_upper(place->rune);
    if (is_letter(place->before) && upper)
        score += rune_is_lower(place->before) ? -4 : rune_is_upper(place->before) ? -0.7 : -1;
    else if (upper)
        score += -1;
    if (place->after < 0x80 && rune_is_upper(place->after) && rune_is_lower(place->rune))
        score += -3;
    return score;
}

static double judge_letter(const struct place *place)
{
    enum script script = script_of(place->rune);
    double score = judge_case(place);
    if (script == EASTERN) {
        bool japanese = strstr(place->name, "JP") || strcmp(place->name, "Shift_JIS") == 0;
        score += is_kana(place->rune) && !japanese ? -3 : 0;
        score += place->before < 0x80 && rune_is_lower(place->before) ? -2 : 0;
        score += place->after < 0x80 && rune_is_lower(place->after) ? -2 : 0;
        return score;
    }
    if (is_letter(place->before) && script_of(place->before) != script)
        score += -6;
    if (is_letter(place->after) && place->after < 0x80 && script != LATIN)
        score += -6;
    if (script == LATIN && is_letter(place->before) && place->before >= 0x80)
        score += -1.5;
    return score;
}

static bool is_word(uint32_t rune)
{
    return is_letter(rune) || is_mark(rune) || (rune < DECODER_INVALID && rune_is_digit(rune));
}

/* Punctuation and symbols that texts of all languages have, where they stand well. */
static double judge_mark(const struct place *place)
{
    bool before = is_word(place->before), after = is_word(place->after);
    switch (place->rune) {
    case 0xA0: /* no-break space */
    case 0x2013:
    case 0x2014:
        return before && after ? -4 : -3;
    case 0x2019:
        return before ? -2.5 : after ? -6 : -4;
    case 0xAB:
    case 0x2018:
    case 0x201A:
    case 0x201E:
        return before && after ? ODD : after ? -3 : -4;
    case 0xBB:
    case 0x201C:
    case 0x201D:
        return before && after ? ODD : -3;
    case 0x2026:
    case 0x2116: /* numero sign */
        return -4;
    case 0xA1:
    case 0xBF:
        return !before && after ? -3 : ODD;
    case 0xAA:
    case 0xBA:
        return before && !after ? -5 : ODD;
    case 0xB0: /* degree */
        return before && is_letter(place->before) ? ODD : -4.5;
    case 0xA7:
    case 0xA9:
    case 0xAE:
    case 0x2122:
    case 0x20AC:
    case 0xA3:
    case 0xB2: /* squared, cubed, fractions */
    case 0xB3:
    case 0xB7:
    case 0xBC:
    case 0xBD:
    case 0xBE:
    case 0x2022:
        return before && after ? UNLIKELY : -5;
    case 0xD7: /* times */
        return is_letter(place->before) && is_letter(place->after) ? UNLIKELY : -5;
    case 0x060C: /* Arabic comma, semicolon, question mark */
    case 0x061B:
    case 0x061F:
        return script_of(place->before) == ARABIC ? -4 : UNLIKELY;
    case 0xAD:
        return before && after ? -4 : UNLIKELY;
    default:
        return before && after ? -10 : before || after ? UNLIKELY : ODD;
    }
}

/* Punctuation of Chinese, Japanese and Korean, and the wide forms of ASCII. */
static double judge_wide(uint32_t rune)
{
    if (rune >= 0x3000 && rune <= 0x3002)
        return -3;
    if ((rune >= 0x3008 && rune <= 0x3011) || rune == 0xFF0C || rune == 0xFF01 || rune == 0xFF1F)
        return -4;
    return rune >= 0xFF00 && rune <= 0xFF5E ? -6 : UNLIKELY;
}

/* --- the whole ---------------------------------------------------------------------------- */

enum { SLOTS = 8192 }; /* more than there are letters in a sample: a power of two */

struct letter {
    uint32_t rune;
    unsigned count;
    double floor;
};

struct work {
    struct decoder_unit units[PLAUSIBLE_PART + DECODER_STEP];
    struct letter letters[SLOTS];
};

static struct letter *find_letter(struct work *work, uint32_t rune)
{
    size_t at = rune * 0x9E3779B1u >> 8 & (SLOTS - 1);
    while (work->letters[at].count > 0 && work->letters[at].rune != rune)
        at = (at + 1) & (SLOTS - 1);
    return &work->letters[at];
}

static void note_letter(struct work *work, const struct place *place)
{
    uint32_t lower = (uint32_t)utf8proc_tolower((utf8proc_int32_t)place->rune);
    uint32_t rune = lower < 0x80 ? place->rune : lower;
    struct letter *letter = find_letter(work, rune);
    *letter = (struct letter){rune, letter->count + 1, letter_floor(place)};
}

static bool is_control(uint32_t rune)
{
    if (rune >= DECODER_INVALID || (rune >= 0x80 && rune < 0xA0))
        return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)rune);
    return rune >= 0x80 && (category == UTF8PROC_CATEGORY_CN || category == UTF8PROC_CATEGORY_CO);
}

/* Judges a character, all but what its language thinks of it. */
static double judge(struct work *work, const struct place *place)
{
    if (is_mark(place->rune)) {
        note_letter(work, place);
        return is_letter(place->before) || is_mark(place->before) ? 0 : -5;
    }
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)place->rune);
    bool modifier = category == UTF8PROC_CATEGORY_LM && script_of(place->rune) != EASTERN;
    if (is_letter(place->rune) && !modifier) {
        note_letter(work, place);
        return judge_letter(place);
    }
    return script_of(place->rune) == EASTERN ? judge_wide(place->rune) : judge_mark(place);
}

static void judge_part(struct plausible *plausible, struct work *work, struct decoder *decoder,
                       const char *name, const char *bytes, size_t size)
{
    size_t taken, at = 0;
    decoder_reset(decoder);
    size_t count = decoder_run(decoder, work->units, sizeof work->units / sizeof *work->units,
                               &taken, bytes, size, true);
    for (size_t i = 0; i < count; at += work->units[i++].size) {
        struct decoder_unit unit = work->units[i];
        plausible->text = (plausible->text ^ unit.rune) * 0x100000001B3u;
        /* A sample may end within a character. */
        bool cut = unit.rune == DECODER_INVALID && at + unit.size == size;
        if (unit.rune < 0x80 || unit.rune == DECODER_NOTHING || cut)
            continue;
        if (is_control(unit.rune)) {
            plausible->invalid += unit.size;
            plausible->score += HOPELESS;
            continue;
        }
        struct place place = {
            .before = i > 0 ? work->units[i - 1].rune : 0,
            .rune = unit.rune,
            .after = i + 1 < count ? work->units[i + 1].rune : 0,
            .lead = (unsigned char)bytes[at],
            .trail = unit.size > 1 ? (unsigned char)bytes[at + 1] : 0,
            .name = name,
        };
        plausible->score += judge(work, &place);
    }
}

/* How much likelier the letters are as those of this language than as any. */
static double fit(struct work *work, const struct alphabet *alphabet)
{
    size_t size = strlen(alphabet->letters), count = utf8_count(alphabet->letters, size);
    double fit = 0, sum = 0, step = exp(-alphabet->fall / (double)count), share = 1;
    for (size_t i = 0; i < count; i++, share *= step)
        sum += share;
    share = alphabet->mass / sum;
    for (size_t at = 0, length; at < size; at += length, share *= step) {
        const struct letter *letter =
            find_letter(work, rune_at(alphabet->letters, size, at, &length));
        double gain = log(share) - letter->floor;
        if (letter->count > 0 && gain > 0)
            fit += letter->count * gain;
    }
    return fit;
}

bool plausible_score(struct plausible *plausible, const char *name, const char *charset,
                     const struct plausible_sample *sample, struct error *error)
{
    *plausible = (struct plausible){.text = 0xCBF29CE484222325u};
    struct decoder *decoder = decoder_new(charset, error);
    if (!decoder)
        return false;
    struct work *work = calloc(1, sizeof *work);
    if (!work) {
        decoder_free(decoder);
        return error_out_of_memory(error);
    }
    for (size_t i = 0; i < PLAUSIBLE_PARTS; i++)
        judge_part(plausible, work, decoder, name, sample->bytes[i], sample->size[i]);
    for (size_t i = 0; i < SLOTS; i++)
        plausible->score += work->letters[i].count * work->letters[i].floor;
    double best = 0;
    for (size_t i = 0; i < alphabet_count; i++) {
        double here = fit(work, &alphabet_all[i]);
        best = here > best ? here : best;
    }
    plausible->score += best;
    free(work);
    decoder_free(decoder);
    return true;
}
