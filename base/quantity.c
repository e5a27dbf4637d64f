#include "base/quantity.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

char *quantity_count(char text[QUANTITY_SIZE], int64_t number)
{
    char digits[QUANTITY_SIZE];
    int size = snprintf(digits, sizeof digits, "%" PRId64, number);
    int sign = number < 0, used = 0;
    for (int i = 0; i < size; i++) {
        if (i > sign && (size - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

char *quantity_bytes(char text[QUANTITY_SIZE], int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double size = (double)bytes;
    unsigned unit = 0;
    while (size >= 1023.95 && unit < 6) {
        size /= 1024;
        unit++;
    }
    snprintf(text, QUANTITY_SIZE, "%.*f %s", unit > 0, size, units[unit]);
    return text;
}

char *quantity_time(char text[QUANTITY_SIZE], double seconds)
{
    if (!(seconds >= 0) || seconds > 1e12)
        snprintf(text, QUANTITY_SIZE, "?");
    else if (seconds < 9.95)
        snprintf(text, QUANTITY_SIZE, "%.1f s", seconds);
    else if (seconds < 59.5)
        snprintf(text, QUANTITY_SIZE, "%.0f s", seconds);
    else if (seconds < 3599.5)
        snprintf(text, QUANTITY_SIZE, "%lld min %02lld s", llround(seconds) / 60,
                 llround(seconds) % 60);
    else
        snprintf(text, QUANTITY_SIZE, "%lld h %02lld min", llround(seconds / 60) / 60,
                 llround(seconds / 60) % 60);
    return text;
}

char *quantity_rate(char text[QUANTITY_SIZE], double a_second)
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P"};
    double rate = a_second;
    unsigned unit = 0;
    while (fabs(rate) >= 9999.5 && unit < 5) {
        rate /= 1000;
        unit++;
    }
    snprintf(text, QUANTITY_SIZE, "%.*f%s",
             fabs(rate) < 9.995   ? 2
             : fabs(rate) < 99.95 ? 1
                                  : 0,
             rate, units[unit]);
    return text;
}
