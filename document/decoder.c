#include "document/decoder.h"

#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Answers in tables besides characters, DECODER_INVALID and DECODER_NOTHING. */
enum { MORE = 0x110002, SEVERAL, UNKNOWN };

enum { SEQUENCE_MAX = 8, SHIFTED_MAX = 16, NAME_MAX_SIZE = 64 };
enum { ESCAPE = 0x1B };

struct decoder {
    size_t (*step)(struct decoder *decoder, struct decoder_unit *units, const unsigned char *bytes,
                   size_t size, bool ended);
    iconv_t iconv; /* to UTF-32BE; (iconv_t)-1: none */
    bool big;      /* of UTF-16 and UTF-32 */
    bool composes; /* a table that holds combining marks */
    enum japanese_set {
        JAPANESE_ASCII,
        JAPANESE_ROMAN,
        JAPANESE_KATAKANA,
        JAPANESE_KANJI,
        JAPANESE_MORE_KANJI,
    } set;
    uint32_t first[256]; /* what each byte is alone */
    uint32_t *pairs;     /* and what each two bytes are, as far as it was asked */
};

static size_t one(struct decoder_unit *unit, uint32_t rune, size_t size)
{
    *unit = (struct decoder_unit){rune, (uint32_t)size};
    return 1;
}

/* --- iconv ---------------------------------------------------------------------------- */

static uint32_t read_rune(const char *out)
{
    const unsigned char *b = (const unsigned char *)out;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* One call on the state as it is. *taken bytes were consumed; returns how many
 * characters came. *status is 0, EINVAL (more bytes are needed) or EILSEQ. */
static size_t convert_on(struct decoder *decoder, uint32_t runes[DECODER_STEP], int *status,
                         size_t *taken, const unsigned char *bytes, size_t size)
{
    char in[SHIFTED_MAX], out[DECODER_STEP * 4], *from = in, *to = out;
    size_t left = size, room = sizeof out;
    assert(size <= sizeof in);
    memcpy(in, bytes, size);
    *status = 0;
    if (iconv(decoder->iconv, &from, &left, &to, &room) == (size_t)-1)
        *status = errno == EINVAL ? EINVAL : EILSEQ;
    *taken = size - left;
    size_t count = (sizeof out - room) / 4;
    for (size_t i = 0; i < count; i++)
        runes[i] = read_rune(out + i * 4);
    return count;
}

/* What iconv still holds back; the state is the initial one after it. */
static size_t convert_end(struct decoder *decoder, uint32_t *runes, size_t limit)
{
    char out[DECODER_STEP * 4], *to = out;
    size_t room = sizeof out;
    iconv(decoder->iconv, NULL, NULL, &to, &room);
    size_t count = (sizeof out - room) / 4;
    for (size_t i = 0; i < count && i < limit; i++)
        runes[i] = read_rune(out + i * 4);
    return count < limit ? count : limit;
}

/* bytes[0..size) as one sequence of a stateless encoding: a character, SEVERAL (in
 * runes, *count of them), DECODER_NOTHING, DECODER_INVALID, or MORE when it is but
 * the beginning of one. */
static uint32_t convert(struct decoder *decoder, uint32_t runes[DECODER_STEP], size_t *count,
                        const unsigned char *bytes, size_t size)
{
    int status;
    size_t taken;
    iconv(decoder->iconv, NULL, NULL, NULL, NULL);
    *count = convert_on(decoder, runes, &status, &taken, bytes, size);
    if (status == 0)
        *count += convert_end(decoder, runes + *count, DECODER_STEP - *count);
    if (status == EINVAL && taken == 0)
        return MORE;
    if (status != 0)
        return DECODER_INVALID;
    return *count == 0 ? DECODER_NOTHING : *count == 1 ? runes[0] : (uint32_t)SEVERAL;
}

/* --- single-byte encodings ------------------------------------------------------------ */

static bool is_mark(uint32_t rune)
{
    return rune >= 0x300 && rune < DECODER_INVALID &&
           utf8proc_get_property((utf8proc_int32_t)rune)->combining_class != 0;
}

/* The one character that a letter and a mark are together, or 0. */
static uint32_t compose(uint32_t letter, uint32_t mark)
{
    enum { ROOM = 16 };
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    utf8proc_uint8_t text[2 * UTF8_MAX_BYTES];
    utf8proc_int32_t runes[ROOM];
    size_t size = utf8_encode((char *)text, letter);
    size += utf8_encode((char *)text + size, mark);
    utf8proc_ssize_t count = utf8proc_decompose(text, (utf8proc_ssize_t)size, runes, ROOM, options);
    if (count <= 0 || count > ROOM)
        return 0;
    return utf8proc_normalize_utf32(runes, count, options) == 1 ? (uint32_t)runes[0] : 0;
}

static size_t step_table(struct decoder *decoder, struct decoder_unit *units,
                         const unsigned char *bytes, size_t size, bool ended)
{
    enum { MARKS_MAX = 4 };
    (void)ended;
    uint32_t rune = decoder->first[bytes[0]];
    size_t length = 1;
    while (decoder->composes && length < size && length <= MARKS_MAX && rune < DECODER_INVALID &&
           is_mark(decoder->first[bytes[length]])) {
        uint32_t composed = compose(rune, decoder->first[bytes[length]]);
        if (composed == 0)
            break;
        rune = composed;
        length++;
    }
    return one(units, rune, length);
}

/* --- stateless multibyte encodings ----------------------------------------------------- */

static uint32_t look_up_pair(struct decoder *decoder, const unsigned char *bytes)
{
    uint32_t *found = &decoder->pairs[(size_t)bytes[0] << 8 | bytes[1]];
    if (*found == UNKNOWN) {
        uint32_t runes[DECODER_STEP];
        size_t count;
        *found = convert(decoder, runes, &count, bytes, 2);
    }
    return *found;
}

/* A sequence that is no single character of one or two bytes. */
static size_t step_sequence(struct decoder *decoder, struct decoder_unit *units,
                            const unsigned char *bytes, size_t size)
{
    uint32_t runes[DECODER_STEP];
    size_t count;
    for (size_t length = 1; length <= SEQUENCE_MAX; length++) {
        if (length > size)
            return one(units, DECODER_INVALID, size);
        uint32_t rune = convert(decoder, runes, &count, bytes, length);
        if (rune == MORE)
            continue;
        if (rune != SEVERAL)
            return one(units, rune, rune == DECODER_INVALID ? 1 : length);
        for (size_t i = 0; i < count; i++)
            one(&units[i], runes[i], i + 1 < count ? 0 : length);
        return count;
    }
    return one(units, DECODER_INVALID, 1);
}

static size_t step_pairs(struct decoder *decoder, struct decoder_unit *units,
                         const unsigned char *bytes, size_t size, bool ended)
{
    (void)ended;
    uint32_t rune = decoder->first[bytes[0]];
    if (rune <= DECODER_INVALID)
        return one(units, rune, 1);
    if (size > 1 && rune == MORE) {
        rune = look_up_pair(decoder, bytes);
        if (rune <= DECODER_INVALID)
            return one(units, rune, rune == DECODER_INVALID ? 1 : 2);
    }
    return step_sequence(decoder, units, bytes, size);
}

/* --- encodings with shift states ------------------------------------------------------- */

static size_t step_shifted(struct decoder *decoder, struct decoder_unit *units,
                           const unsigned char *bytes, size_t size, bool ended)
{
    uint32_t runes[DECODER_STEP];
    for (size_t length = 1; length <= SHIFTED_MAX && length <= size; length++) {
        int status;
        size_t taken;
        size_t count = convert_on(decoder, runes, &status, &taken, bytes, length);
        if (taken == 0 && count == 0 && status == EINVAL)
            continue;
        if (taken == 0 && count == 0)
            return one(units, DECODER_INVALID, 1);
        for (size_t i = 0; i < count; i++)
            one(&units[i], runes[i], i + 1 < count ? 0 : taken);
        if (count == 0)
            count = one(units, DECODER_NOTHING, taken);
        if (!ended || taken < size)
            return count;
        size_t held = convert_end(decoder, runes, DECODER_STEP - count);
        for (size_t i = 0; i < held; i++)
            one(&units[count + i], runes[i], 0);
        return count + held;
    }
    return one(units, DECODER_INVALID, size < SHIFTED_MAX ? size : 1);
}

/* --- UTF-16 and UTF-32 ------------------------------------------------------------------ */

static uint32_t read_16(const struct decoder *decoder, const unsigned char *bytes)
{
    return decoder->big ? (uint32_t)bytes[0] << 8 | bytes[1] : (uint32_t)bytes[1] << 8 | bytes[0];
}

static size_t step_16(struct decoder *decoder, struct decoder_unit *units,
                      const unsigned char *bytes, size_t size, bool ended)
{
    (void)ended;
    if (size < 2)
        return one(units, DECODER_INVALID, size);
    uint32_t rune = read_16(decoder, bytes);
    if (rune < 0xD800 || rune > 0xDFFF)
        return one(units, rune, 2);
    if (rune >= 0xDC00)
        return one(units, DECODER_INVALID, 2);
    if (size < 4)
        return one(units, DECODER_INVALID, size);
    uint32_t low = read_16(decoder, bytes + 2);
    if (low < 0xDC00 || low > 0xDFFF)
        return one(units, DECODER_INVALID, 2);
    return one(units, 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00), 4);
}

static size_t step_32(struct decoder *decoder, struct decoder_unit *units,
                      const unsigned char *bytes, size_t size, bool ended)
{
    (void)ended;
    if (size < 4)
        return one(units, DECODER_INVALID, size);
    uint32_t first = read_16(decoder, bytes), second = read_16(decoder, bytes + 2);
    uint32_t rune = decoder->big ? first << 16 | second : second << 16 | first;
    if (rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF))
        rune = DECODER_INVALID;
    return one(units, rune, 4);
}

/* --- ISO-2022-JP (RFC 1468), with the sets of its successors ---------------------------- */

/* Bytes of the escape sequence that bytes[0..size) begins with, or 0. */
static size_t read_escape(enum japanese_set *set, const unsigned char *bytes, size_t size)
{
    static const struct {
        const char *sequence;
        enum japanese_set set;
    } escapes[] = {
        {"(B", JAPANESE_ASCII},  {"(J", JAPANESE_ROMAN},       {"(I", JAPANESE_KATAKANA},
        {"$@", JAPANESE_KANJI},  {"$B", JAPANESE_KANJI},       {"$(@", JAPANESE_KANJI},
        {"$(B", JAPANESE_KANJI}, {"$(D", JAPANESE_MORE_KANJI},
    };
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        size_t length = strlen(escapes[i].sequence);
        if (length < size && memcmp(bytes + 1, escapes[i].sequence, length) == 0) {
            *set = escapes[i].set;
            return length + 1;
        }
    }
    return 0;
}

static size_t step_kanji(struct decoder *decoder, struct decoder_unit *units,
                         const unsigned char *bytes, size_t size)
{
    if (size < 2 || bytes[1] < 0x21 || bytes[1] > 0x7E)
        return one(units, DECODER_INVALID, 1);
    /* The same pair with high bits is EUC-JP. */
    unsigned char pair[2] = {bytes[0] | 0x80, bytes[1] | 0x80};
    if (decoder->set == JAPANESE_KANJI)
        return one(units, look_up_pair(decoder, pair), 2);
    unsigned char triple[3] = {0x8F, pair[0], pair[1]};
    uint32_t runes[DECODER_STEP];
    size_t count;
    return one(units, convert(decoder, runes, &count, triple, sizeof triple), 2);
}

static size_t step_japanese(struct decoder *decoder, struct decoder_unit *units,
                            const unsigned char *bytes, size_t size, bool ended)
{
    (void)ended;
    unsigned char byte = bytes[0];
    if (byte == ESCAPE) {
        size_t length = read_escape(&decoder->set, bytes, size);
        return one(units, length ? DECODER_NOTHING : DECODER_INVALID, length ? length : 1);
    }
    /* A line should end in ASCII; where it does not, the damage ends with it. */
    if (byte == '\n' || byte == '\r')
        decoder->set = JAPANESE_ASCII;
    if (byte >= 0x80)
        return one(units, DECODER_INVALID, 1);
    if (byte <= ' ' || byte == 0x7F || decoder->set == JAPANESE_ASCII)
        return one(units, byte, 1);
    if (decoder->set == JAPANESE_ROMAN)
        return one(units, byte == '\\' ? 0xA5 : byte == '~' ? 0x203E : byte, 1);
    if (decoder->set == JAPANESE_KATAKANA)
        return one(units, byte <= 0x5F ? 0xFF40u + byte : DECODER_INVALID, 1);
    size_t count = step_kanji(decoder, units, bytes, size);
    if (units->rune > DECODER_INVALID)
        units->rune = DECODER_INVALID;
    return count;
}

/* --- making one ------------------------------------------------------------------------- */

static bool is_name(const char *charset)
{
    size_t size = strlen(charset);
    if (size == 0 || size >= NAME_MAX_SIZE)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = charset[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !strchr("-_.:+()", c))
            return false;
    }
    return true;
}

bool decoder_knows(const char *charset)
{
    if (!is_name(charset))
        return false;
    iconv_t found = iconv_open("UTF-32BE", charset);
    if (found == (iconv_t)-1)
        return false;
    iconv_close(found);
    return true;
}

/* Asks iconv for all single bytes, from which it is seen what kind it is. */
static void make_tables(struct decoder *decoder)
{
    bool shifts = false, several = false;
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned char bytes[1] = {(unsigned char)byte};
        uint32_t runes[DECODER_STEP];
        size_t count;
        uint32_t rune = convert(decoder, runes, &count, bytes, 1);
        decoder->first[byte] = rune;
        /* No stateless encoding begins a longer sequence with an ASCII byte. */
        shifts = shifts || rune == DECODER_NOTHING || (rune == MORE && byte < 0x80);
        several = several || rune > DECODER_NOTHING;
        decoder->composes = decoder->composes || is_mark(rune);
    }
    iconv(decoder->iconv, NULL, NULL, NULL, NULL);
    decoder->step = shifts ? step_shifted : several ? step_pairs : step_table;
}

static bool make_pairs(struct decoder *decoder)
{
    const size_t count = 65536;
    decoder->pairs = malloc(count * sizeof *decoder->pairs);
    if (!decoder->pairs)
        return false;
    for (size_t i = 0; i < count; i++)
        decoder->pairs[i] = UNKNOWN;
    return true;
}

static bool open_iconv(struct decoder *decoder, const char *charset, struct error *error)
{
    if (is_name(charset))
        decoder->iconv = iconv_open("UTF-32BE", charset);
    if (decoder->iconv != (iconv_t)-1)
        return true;
    return error_set(error, ERROR_USAGE, "iconv does not know the encoding \"%.60s\"", charset);
}

static bool set_up(struct decoder *decoder, const char *charset, struct error *error)
{
    static const struct {
        const char *charset;
        size_t (*step)(struct decoder *, struct decoder_unit *, const unsigned char *, size_t,
                       bool);
        bool big;
    } wide[] = {
        {"UTF-16LE", step_16, false},
        {"UTF-16BE", step_16, true},
        {"UTF-32LE", step_32, false},
        {"UTF-32BE", step_32, true},
    };
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        if (strcmp(charset, wide[i].charset) == 0) {
            decoder->step = wide[i].step;
            decoder->big = wide[i].big;
            return true;
        }
    }
    if (strcmp(charset, "ISO-2022-JP") == 0) {
        const char *pairs = decoder_knows("EUC-JP-MS") ? "EUC-JP-MS" : "EUC-JP";
        decoder->step = step_japanese;
        return open_iconv(decoder, pairs, error) &&
               (make_pairs(decoder) || error_out_of_memory(error));
    }
    if (!open_iconv(decoder, charset, error))
        return false;
    make_tables(decoder);
    return decoder->step != step_pairs || make_pairs(decoder) || error_out_of_memory(error);
}

struct decoder *decoder_new(const char *charset, struct error *error)
{
    struct decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        error_out_of_memory(error);
        return NULL;
    }
    decoder->iconv = (iconv_t)-1;
    if (!set_up(decoder, charset, error)) {
        decoder_free(decoder);
        return NULL;
    }
    return decoder;
}

void decoder_free(struct decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->iconv != (iconv_t)-1)
        iconv_close(decoder->iconv);
    free(decoder->pairs);
    free(decoder);
}

void decoder_reset(struct decoder *decoder)
{
    decoder->set = JAPANESE_ASCII;
    if (decoder->iconv != (iconv_t)-1)
        iconv(decoder->iconv, NULL, NULL, NULL, NULL);
}

size_t decoder_run(struct decoder *decoder, struct decoder_unit *units, size_t room, size_t *taken,
                   const char *bytes, size_t size, bool ended)
{
    const unsigned char *from = (const unsigned char *)bytes;
    size_t count = 0, at = 0;
    assert(room >= DECODER_STEP);
    while (room - count >= DECODER_STEP && at < size && (ended || size - at >= DECODER_LOOKAHEAD)) {
        size_t first = count;
        count += decoder->step(decoder, units + count, from + at, size - at, ended);
        for (; first < count; first++)
            at += units[first].size;
    }
    *taken = at;
    return count;
}
