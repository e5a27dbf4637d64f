/* decoder.h: the bytes of an encoding other than UTF-8 as characters, each with
 * the number of bytes that it takes in the file.
 *
 *     struct decoder *decoder = decoder_new("KOI8-R", &error);
 *     struct decoder_unit units[64];
 *     size_t count, taken;
 *     count = decoder_run(decoder, units, 64, &taken, bytes, size, ended);
 *     // bytes[taken..size) wait for more bytes behind them
 *     decoder_free(decoder);
 *
 * Units in order cover all bytes. What comes out depends on the bytes alone, not on
 * how they were handed over, nor on what iconv keeps back between calls: iconv is
 * asked for single characters from its initial state, and its answers are kept in
 * tables. UTF-16, UTF-32 and the escape sequences of ISO-2022-JP are read by hand.
 * Other encodings with shift states go through one conversion a byte at a time.
 *
 * What is broken becomes units DECODER_INVALID: one byte of a multibyte encoding,
 * after which reading goes on with the next; two of UTF-16 (an unpaired surrogate),
 * four of UTF-32, two of ISO-2022-JP's pairs; the rest of the file when it ends
 * within a character. Vietnamese letters of windows-1258 and their tone marks, and
 * what else composes so in a single-byte encoding, become one character. */
#ifndef TIDEMARK_DOCUMENT_DECODER_H
#define TIDEMARK_DOCUMENT_DECODER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define DECODER_INVALID 0x110000u /* instead of a character: bytes that are none */
#define DECODER_NOTHING 0x110001u /* bytes that stand for no character: shifts */

#define DECODER_STEP 8       /* units that one step may make */
#define DECODER_LOOKAHEAD 32 /* bytes that a step may look at */

struct decoder_unit {
    uint32_t rune; /* or DECODER_INVALID, DECODER_NOTHING */
    uint32_t size; /* bytes; 0 when the characters of one sequence follow */
};

struct decoder;

/* `charset` is a name for iconv. NULL with ERROR_USAGE for a name that iconv does
 * not know, with ERROR_SYSTEM when out of memory. */
struct decoder *decoder_new(const char *charset, struct error *error);
void decoder_free(struct decoder *decoder);

/* Back to the beginning of a text. */
void decoder_reset(struct decoder *decoder);

/* Decodes as much of bytes[0..size) as `room` units (at least DECODER_STEP) allow and
 * as does not depend on bytes still to come: all but the last DECODER_LOOKAHEAD - 1,
 * unless these are the last of the file (`ended`). Returns how many units it made of
 * the first *taken bytes. */
size_t decoder_run(struct decoder *decoder, struct decoder_unit *units, size_t room, size_t *taken,
                   const char *bytes, size_t size, bool ended);

/* Does iconv know it? Never for names with characters that no encoding's name has. */
bool decoder_knows(const char *charset);

#endif
