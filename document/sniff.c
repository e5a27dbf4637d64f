#include "document/sniff.h"

#include <string.h>

struct signature {
    const char *bytes;
    size_t size, offset;
    const char *name, *advice;
};

#define SIGNATURE(text, offset, name, advice)                                                      \
    {                                                                                              \
        text, sizeof(text) - 1, offset, name, advice                                               \
    }

/* A more particular signature stands before a more general one. */
static const struct signature signatures[] = {
    SIGNATURE("PK\005\006", 0, "an empty ZIP archive", "give it a text file"),
    SIGNATURE("\037\213", 0, "a gzip file", "unpack it with gunzip first"),
    SIGNATURE("BZh", 0, "a bzip2 file", "unpack it with bunzip2 first"),
    SIGNATURE("\3757zXZ\0", 0, "an xz file", "unpack it with unxz first"),
    SIGNATURE("(\265/\375", 0, "a Zstandard file", "unpack it with unzstd first"),
    SIGNATURE("7z\274\257\047\034", 0, "a 7-Zip archive", "unpack it first"),
    SIGNATURE("ustar", 257, "a tar archive", "unpack it with tar first"),
    SIGNATURE("\211PNG\r\n\032\n", 0, "a PNG image", "give it the text, not a picture of it"),
    SIGNATURE("\377\330\377", 0, "a JPEG image", "give it the text, not a picture of it"),
    SIGNATURE("GIF8", 0, "a GIF image", "give it the text, not a picture of it"),
    SIGNATURE("AT&TFORM", 0, "a DjVu file", "convert it with djvutxt first"),
    SIGNATURE("\177ELF", 0, "an ELF program or library", "give it a text file"),
    SIGNATURE("SQLite format 3", 0, "an SQLite database", "give it a text file"),
    SIGNATURE("GGUF", 0, "a GGUF model", "name it with --model, and give a text file to read"),
    SIGNATURE("\320\317\021\340\241\261\032\341", 0, "an old Office document",
              "save it as plain text first"),
};

/* The first letters of these are plain text that a document may well begin
 * with; they count only when the rest is not text. */
static bool may_be_text(const struct signature *signature)
{
    return strcmp(signature->bytes, "BZh") == 0 || strcmp(signature->bytes, "GIF8") == 0 ||
           strcmp(signature->bytes, "ustar") == 0 || strcmp(signature->bytes, "GGUF") == 0;
}

static const struct signature *find_signature(const char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const struct signature *s = &signatures[i];
        if (s->offset + s->size <= size && memcmp(bytes + s->offset, s->bytes, s->size) == 0)
            return s;
    }
    return NULL;
}

static bool refuse(const char *file, const struct signature *signature, struct error *error)
{
    return error_set(error, ERROR_INPUT, "%.500s is %s: tidemark reads text, Markdown, HTML, PDF, EPUB, DOCX and ODT; %s", file,
                     signature->name, signature->advice);
}

bool sniff_text(const char *file, const char *bytes, size_t size, struct error *error)
{
    const struct signature *signature = find_signature(bytes, size);
    return !signature || may_be_text(signature) || refuse(file, signature, error);
}

bool sniff_refuse(const char *file, const char *bytes, size_t size, const char *why,
                  struct error *error)
{
    const struct signature *signature = find_signature(bytes, size);
    if (signature)
        return refuse(file, signature, error);
    return error_set(error, ERROR_INPUT,
                     "%.500s is a binary file (%s): tidemark reads text, Markdown, HTML, PDF, EPUB, DOCX and ODT; convert it "
                     "to text first, or name its encoding with --encoding",
                     file, why);
}
