#include "base/visible.h"

#include "base/utf8.h"

static bool is_bidi_control(unsigned rune)
{
    return rune == 0x061C || rune == 0x200E || rune == 0x200F ||
           (rune >= 0x202A && rune <= 0x202E) || (rune >= 0x2066 && rune <= 0x2069);
}

bool visible_is_safe(unsigned rune)
{
    if (rune < 0x20 || (rune >= 0x7F && rune <= 0x9F))
        return false;
    if (is_bidi_control(rune) || rune == 0x2028 || rune == 0x2029 || rune == 0xFEFF)
        return false;
    /* Tag characters and other default-ignorable format controls hide text. */
    if ((rune >= 0xE0000 && rune <= 0xE0FFF) || (rune >= 0x206A && rune <= 0x206F) ||
        (rune >= 0xFFF9 && rune <= 0xFFFB))
        return false;
    return true;
}

static bool append_unsafe(struct buffer *out, unsigned rune, struct error *error)
{
    char bytes[UTF8_MAX_BYTES];
    if (rune < 0x20 || rune == 0x7F) {
        unsigned picture = rune == 0x7F ? 0x2421 : 0x2400 + rune;
        return buffer_append(out, bytes, utf8_encode(bytes, picture), error);
    }
    return buffer_append_format(out, error, "<U+%04X>", rune);
}

bool visible_append(struct buffer *out, const char *text, size_t size, enum visible_mode mode,
                    struct error *error)
{
    for (size_t at = 0; at < size;) {
        uint32_t rune;
        size_t length;
        enum utf8_status status = utf8_decode(&rune, &length, text + at, size - at);
        bool passes = mode == VISIBLE_TEXT && (rune == '\n' || rune == '\t');
        bool ok;
        if (status != UTF8_VALID)
            ok = buffer_append_text(out, "\xEF\xBF\xBD", error);
        else if (passes || visible_is_safe(rune))
            ok = buffer_append(out, text + at, length, error);
        else
            ok = append_unsafe(out, rune, error);
        if (!ok)
            return false;
        at += length;
    }
    return true;
}
