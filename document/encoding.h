/* encoding.h: in which encoding is a file, and how is that known?
 *
 * In this order, the first that says something is believed:
 *
 *     given      the caller's word
 *     marked     a byte order mark: UTF-8, UTF-16, UTF-32, GB18030
 *     declared   by the text itself (declared.h), unless the bytes are against it
 *     UTF-8      most of what is not ASCII is well-formed; all ASCII is UTF-8, too, but
 *                for the escape sequences of ISO-2022-JP
 *     guessed    UTF-16 and UTF-32 by their NUL bytes, or line ends and spaces
 *                (wide.h); the rest by uchardet and by what the bytes would say in each
 *                encoding (guess.h)
 *
 * Names: what is shown is an encoding's usual name. What is given is decoded by just
 * that charset of iconv. What was declared or guessed is decoded by the superset that
 * files of that name are really in, as web browsers do: windows-1252 for ISO-8859-1,
 * GB18030 for GB2312 and GBK, and for Shift_JIS, EUC-JP, EUC-KR and Big5 the charsets
 * with the vendors' additions. */
#ifndef TIDEMARK_DOCUMENT_ENCODING_H
#define TIDEMARK_DOCUMENT_ENCODING_H

#include "document/document.h"

#define ENCODING_SAMPLE 65536 /* bytes of a file's beginning that are looked at */
#define ENCODING_NAME_SIZE 64

struct encoding {
    char name[ENCODING_NAME_SIZE];    /* to show */
    char charset[ENCODING_NAME_SIZE]; /* for decoder_new; "UTF-8" needs no decoder */
    enum document_evidence evidence;
    unsigned confidence; /* percent */
};

/* Looks at the first bytes of the file that errors call `file`: ENCODING_SAMPLE, or
 * the whole file when it is shorter. `given` may be NULL. False with ERROR_USAGE for a
 * given name that is not known, with ERROR_INPUT and a line that says what the file
 * seems to be when it is not text. */
bool encoding_find(struct encoding *encoding, const char *given, const char *file,
                   const char *bytes, size_t size, struct error *error) WARN_UNUSED;

/* For a file that begins with nothing but ASCII, which says nothing: looks at later
 * bytes, among them the first that are not, and replaces *encoding if they are not
 * UTF-8. `whole`: the file ends with them. */
bool encoding_reconsider(struct encoding *encoding, const char *bytes, size_t size, bool whole,
                         struct error *error) WARN_UNUSED;

/* Fills in name and charset for one of an encoding's names, in any case and with any
 * punctuation. `exact`: the charset of just that name; else the superset that is meant.
 * False when it is not known here, nor to iconv. */
bool encoding_named(struct encoding *encoding, const char *name, bool exact) WARN_UNUSED;

#endif
