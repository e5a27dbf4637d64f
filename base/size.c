#include "base/size.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The factor of a unit, or 0 when there is no such unit. */
static double unit_factor(const char *unit)
{
    static const char letters[] = "KMGT";
    if (*unit == '\0' || strcasecmp(unit, "B") == 0)
        return 1;
    double factor = 1024;
    for (const char *letter = letters; *letter; letter++, factor *= 1024) {
        if (strncasecmp(unit, letter, 1) != 0)
            continue;
        const char *rest = unit + 1;
        bool whole = *rest == '\0' || strcasecmp(rest, "B") == 0 || strcasecmp(rest, "iB") == 0;
        return whole ? factor : 0;
    }
    return 0;
}

bool size_parse(int64_t *bytes, const char *text)
{
    size_t digits = strspn(text, "0123456789"), length = digits;
    if (text[length] == '.')
        length += 1 + strspn(text + length + 1, "0123456789");
    /* 15 digits are exact in a double. */
    if (digits == 0 || digits > 15 || length > 31)
        return false;
    char number[32];
    memcpy(number, text, length);
    number[length] = '\0';
    double factor = unit_factor(text + length);
    double size = strtod(number, NULL) * factor;
    if (factor == 0 || !(size < 9e18))
        return false;
    *bytes = (int64_t)size;
    return true;
}
