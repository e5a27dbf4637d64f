#include "engine/vocabulary.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* GPT-2's alphabet: bytes that print stand for themselves, the other 68 are the
 * characters from U+0100 on, in order. */
#define ALPHABET_END (0x100 + 68)

static bool prints_as_itself(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

static void make_alphabet(uint32_t runes[256])
{
    uint32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; byte++)
        runes[byte] = prints_as_itself(byte) ? byte : next++;
}

/* The other way round; -1 for characters that stand for no byte. */
static void make_reverse_alphabet(int bytes[ALPHABET_END])
{
    uint32_t runes[256];
    make_alphabet(runes);
    for (size_t i = 0; i < ALPHABET_END; i++)
        bytes[i] = -1;
    for (int byte = 0; byte < 256; byte++)
        bytes[runes[byte]] = byte;
}

/* Writes the bytes that a normal token stands for; never more than it is long.
 * What is not of the alphabet stands for itself. */
static size_t decode_written(char *out, struct gguf_text text, const int bytes[ALPHABET_END])
{
    size_t written = 0;
    for (size_t at = 0; at < text.size;) {
        uint32_t rune;
        size_t length;
        enum utf8_status status = utf8_decode(&rune, &length, text.data + at, text.size - at);
        if (status == UTF8_VALID && rune < ALPHABET_END && bytes[rune] >= 0) {
            out[written++] = (char)bytes[rune];
        } else {
            memcpy(out + written, text.data + at, length);
            written += length;
        }
        at += length;
    }
    return written;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that a byte token <0x41> means, or -1. */
static int byte_token_value(struct gguf_text text)
{
    if (text.size != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>')
        return -1;
    int high = hex_value(text.data[3]), low = hex_value(text.data[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool read_types(struct vocabulary *vocabulary, const struct gguf *file, struct error *error)
{
    static const char key[] = "tokenizer.ggml.token_type";
    memset(vocabulary->types, VOCABULARY_NORMAL, vocabulary->count);
    if (!gguf_has(file, key))
        return true;
    struct gguf_array array;
    if (!gguf_get_array(file, key, GGUF_I32, &array, error))
        return false;
    if (array.count != vocabulary->count)
        return error_set(error, ERROR_MODEL,
                         "%s is damaged: it has %zu tokens but %zu token types: download it again",
                         gguf_path(file), vocabulary->count, array.count);
    for (size_t i = 0; i < array.count; i++) {
        const unsigned char *item = array.data + 4 * i;
        if (item[0] > VOCABULARY_BYTE || item[1] || item[2] || item[3])
            return error_set(error, ERROR_MODEL,
                             "%s: token %zu has a type that is not known: get another file",
                             gguf_path(file), i);
        vocabulary->types[i] = item[0];
    }
    return true;
}

/* Fills offsets and bytes from what the file wrote. */
static bool decode_tokens(struct vocabulary *vocabulary, const struct vocabulary_index *index,
                          const struct gguf *file, struct error *error)
{
    int alphabet[ALPHABET_END];
    make_reverse_alphabet(alphabet);
    size_t at = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        struct gguf_text text = index->written[i];
        char *out = vocabulary->bytes + at;
        vocabulary->offsets[i] = at;
        if (vocabulary->types[i] == VOCABULARY_BYTE) {
            int byte = byte_token_value(text);
            if (byte < 0)
                return error_set(error, ERROR_MODEL,
                                 "%s is damaged: token %zu is marked as a byte but does not read "
                                 "like <0x41>: download it again",
                                 gguf_path(file), i);
            *out = (char)byte;
            at++;
        } else if (vocabulary->types[i] <= VOCABULARY_NORMAL) {
            at += decode_written(out, text, alphabet);
        } else {
            memcpy(out, text.data, text.size);
            at += text.size;
        }
    }
    vocabulary->offsets[vocabulary->count] = at;
    return true;
}

static size_t slot_of(const struct vocabulary_index *index, const char *written, size_t size)
{
    size_t slot = (size_t)XXH3_64bits(written, size) & index->mask;
    for (; index->slots[slot] != VOCABULARY_NONE; slot = (slot + 1) & index->mask) {
        struct gguf_text text = index->written[index->slots[slot]];
        if (text.size == size && memcmp(text.data, written, size) == 0)
            break;
    }
    return slot;
}

static void fill_index(struct vocabulary_index *index, const struct vocabulary *vocabulary)
{
    for (size_t i = 0; i <= index->mask; i++)
        index->slots[i] = VOCABULARY_NONE;
    for (size_t i = 0; i < vocabulary->count; i++) {
        struct gguf_text text = index->written[i];
        bool findable = vocabulary->types[i] <= VOCABULARY_NORMAL ||
                        vocabulary->types[i] == VOCABULARY_USER_DEFINED;
        if (!findable || text.size == 0)
            continue;
        size_t slot = slot_of(index, text.data, text.size);
        if (index->slots[slot] == VOCABULARY_NONE)
            index->slots[slot] = (int32_t)i;
    }
}

/* Takes the strings as the file has them; *size is their length in all. */
static bool take_strings(struct vocabulary *vocabulary, struct vocabulary_index *index,
                         const struct gguf *file, size_t *size, struct error *error)
{
    struct gguf_array tokens;
    *size = 0;
    if (!gguf_get_array(file, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, error))
        return false;
    if (tokens.count == 0 || tokens.count > INT32_MAX)
        return error_set(
            error, ERROR_MODEL,
            "%s has a vocabulary of %zu tokens, which cannot be used: get another file",
            gguf_path(file), tokens.count);
    vocabulary->count = tokens.count;
    index->written = calloc(tokens.count, sizeof *index->written);
    if (!index->written)
        return error_out_of_memory(error);
    const unsigned char *cursor = tokens.data;
    for (size_t i = 0; i < tokens.count; i++) {
        index->written[i] = gguf_next_text(&cursor);
        *size += index->written[i].size;
    }
    return true;
}

bool vocabulary_read(struct vocabulary *vocabulary, struct vocabulary_index *index,
                     const struct gguf *file, struct error *error)
{
    size_t size;
    if (!take_strings(vocabulary, index, file, &size, error))
        return false;
    size_t slots = 2;
    while (slots / 2 < vocabulary->count)
        slots *= 2;
    index->mask = slots - 1;
    index->slots = calloc(slots, sizeof *index->slots);
    vocabulary->types = malloc(vocabulary->count);
    vocabulary->offsets = calloc(vocabulary->count + 1, sizeof *vocabulary->offsets);
    vocabulary->bytes = malloc(size + 1);
    if (!index->slots || !vocabulary->types || !vocabulary->offsets || !vocabulary->bytes)
        return error_out_of_memory(error);
    if (!read_types(vocabulary, file, error) || !decode_tokens(vocabulary, index, file, error))
        return false;
    fill_index(index, vocabulary);
    return true;
}

void vocabulary_free(struct vocabulary *vocabulary)
{
    free(vocabulary->types);
    free(vocabulary->offsets);
    free(vocabulary->bytes);
    *vocabulary = (struct vocabulary){0};
}

void vocabulary_index_free(struct vocabulary_index *index)
{
    free(index->written);
    free(index->slots);
    *index = (struct vocabulary_index){0};
}

struct gguf_text vocabulary_text(const struct vocabulary *vocabulary, int32_t id)
{
    size_t start = vocabulary->offsets[id], end = vocabulary->offsets[id + 1];
    return (struct gguf_text){vocabulary->bytes + start, end - start};
}

int32_t vocabulary_find(const struct vocabulary_index *index, const char *written, size_t size)
{
    return index->slots[slot_of(index, written, size)];
}

bool vocabulary_find_bytes(const struct vocabulary *vocabulary,
                           const struct vocabulary_index *index, int32_t ids[256])
{
    uint32_t runes[256];
    bool any = false;
    make_alphabet(runes);
    for (size_t byte = 0; byte < 256; byte++) {
        char written[UTF8_MAX_BYTES];
        size_t size = utf8_encode(written, runes[byte]);
        ids[byte] = vocabulary_find(index, written, size);
        any = any || ids[byte] != VOCABULARY_NONE;
    }
    for (size_t i = 0; i < vocabulary->count; i++) {
        if (vocabulary->types[i] != VOCABULARY_BYTE)
            continue;
        unsigned char byte = (unsigned char)*vocabulary_text(vocabulary, (int32_t)i).data;
        if (ids[byte] == VOCABULARY_NONE)
            ids[byte] = (int32_t)i;
        any = true;
    }
    return any;
}
