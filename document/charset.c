#include "document/charset.h"

#include <stddef.h>
#include <string.h>

enum { FOLDED_MAX = 64 };

/* The name itself, folded, needs no alias. */
static const struct charset charsets[] = {
    {"UTF-8", "UTF-8", NULL, NULL, "unicode11utf8 cp65001 utf8bom"},
    {"UTF-16", "UTF-16", NULL, NULL, "ucs2 iso10646ucs2 unicode csunicode"},
    {"UTF-16LE", "UTF-16LE", NULL, NULL, "ucs2le unicodelittle unicodefffe cp1200"},
    {"UTF-16BE", "UTF-16BE", NULL, NULL, "ucs2be unicodebig unicodefeff cp1201"},
    {"UTF-32", "UTF-32", NULL, NULL, "ucs4 iso10646ucs4 csucs4"},
    {"UTF-32LE", "UTF-32LE", NULL, NULL, "ucs4le"},
    {"UTF-32BE", "UTF-32BE", NULL, NULL, "ucs4be"},
    {"US-ASCII", "US-ASCII", "UTF-8", "UTF-8",
     "ascii ansix341968 iso646us us 646 cp367 ibm367 isoir6"},
    {"ISO-8859-1", "ISO-8859-1", "CP1252", NULL,
     "88591 iso885911987 latin1 l1 isolatin1 cp819 ibm819 isoir100 csisolatin1"},
    {"ISO-8859-2", "ISO-8859-2", NULL, NULL, "88592 iso885921987 latin2 l2 isoir101 csisolatin2"},
    {"ISO-8859-3", "ISO-8859-3", NULL, NULL, "88593 iso885931988 latin3 l3 isoir109"},
    {"ISO-8859-4", "ISO-8859-4", NULL, NULL, "88594 iso885941988 latin4 l4 isoir110"},
    {"ISO-8859-5", "ISO-8859-5", NULL, NULL, "88595 iso885951988 cyrillic isoir144"},
    {"ISO-8859-6", "ISO-8859-6", NULL, NULL, "88596 iso885961987 arabic asmo708 isoir127"},
    {"ISO-8859-7", "ISO-8859-7", NULL, NULL,
     "88597 iso885971987 iso885972003 greek greek8 elot928 isoir126"},
    {"ISO-8859-8", "ISO-8859-8", NULL, NULL,
     "88598 iso885981988 iso88598i iso88598e hebrew isoir138"},
    {"ISO-8859-9", "ISO-8859-9", "CP1254", NULL, "88599 iso885991989 latin5 l5 isoir148"},
    {"ISO-8859-10", "ISO-8859-10", NULL, NULL, "885910 iso8859101992 latin6 l6 isoir157"},
    {"ISO-8859-11", "ISO-8859-11", "CP874", NULL, "885911 tis620 tis6200 tis62025291 isoir166"},
    {"ISO-8859-13", "ISO-8859-13", NULL, NULL, "885913 latin7 l7 isoir179"},
    {"ISO-8859-14", "ISO-8859-14", NULL, NULL, "885914 iso8859141998 latin8 l8 isoir199 isoceltic"},
    {"ISO-8859-15", "ISO-8859-15", NULL, NULL, "885915 iso8859151998 latin9 l9 latin0 isoir203"},
    {"ISO-8859-16", "ISO-8859-16", NULL, NULL, "885916 iso8859162001 latin10 l10 isoir226"},
    {"windows-874", "CP874", NULL, NULL, "cp874 ms874 win874 874 ibm874"},
    {"windows-1250", "CP1250", NULL, NULL, "cp1250 ms1250 win1250 1250 msee"},
    {"windows-1251", "CP1251", NULL, NULL, "cp1251 ms1251 win1251 1251 mscyrl"},
    {"windows-1252", "CP1252", NULL, NULL, "cp1252 ms1252 win1252 1252 msansi ansi"},
    {"windows-1253", "CP1253", NULL, NULL, "cp1253 ms1253 win1253 1253 msgreek"},
    {"windows-1254", "CP1254", NULL, NULL, "cp1254 ms1254 win1254 1254 msturk"},
    {"windows-1255", "CP1255", NULL, NULL, "cp1255 ms1255 win1255 1255 mshebr"},
    {"windows-1256", "CP1256", NULL, NULL, "cp1256 ms1256 win1256 1256 msarab"},
    {"windows-1257", "CP1257", NULL, NULL, "cp1257 ms1257 win1257 1257 winbaltrim"},
    {"windows-1258", "CP1258", NULL, NULL, "cp1258 ms1258 win1258 1258 msviet"},
    {"KOI8-R", "KOI8-R", NULL, NULL, "koi8 koi cp20866 cskoi8r"},
    {"KOI8-U", "KOI8-U", NULL, NULL, "cp21866 koi8ru"},
    {"IBM866", "IBM866", NULL, NULL, "cp866 866 dos866 csibm866"},
    {"IBM855", "IBM855", NULL, NULL, "cp855 855"},
    {"IBM437", "IBM437", NULL, NULL, "cp437 437 dos437 dos"},
    {"IBM850", "IBM850", NULL, NULL, "cp850 850 dos850"},
    {"IBM852", "IBM852", NULL, NULL, "cp852 852 dos852"},
    {"macintosh", "MACINTOSH", NULL, NULL, "mac macroman"},
    {"x-mac-cyrillic", "MAC-CYRILLIC", NULL, NULL, "maccyrillic macukraine xmacukrainian"},
    {"Shift_JIS", "SHIFT_JIS", "CP932", NULL, "sjis xsjis mskanji csshiftjis cp943 ibm943"},
    {"windows-31J", "CP932", NULL, "Shift_JIS", "cp932 ms932 cswindows31j win31j 932 ibm932"},
    {"EUC-JP", "EUC-JP", "EUC-JP-MS", NULL, "eucjp xeucjp ujis cseucpkdfmtjapanese"},
    {"EUC-JP-MS", "EUC-JP-MS", NULL, "EUC-JP", "eucjpwin eucjpopen cp51932"},
    {"ISO-2022-JP", "ISO-2022-JP", NULL, NULL, "csiso2022jp jis cp50220 cp50221 cp50222"},
    {"GB18030", "GB18030", NULL, NULL, "gb180302000 gb180302005 gb180302022 csgb18030"},
    {"GBK", "GBK", "GB18030", "GB18030", "cp936 ms936 win936 windows936 936 xgbk"},
    {"GB2312", "GB2312", "GB18030", "GB18030", "euccn gb231280 csgb2312 xeuccn chinese"},
    {"Big5", "BIG5", "BIG5-HKSCS CP950", NULL, "bigfive csbig5 xxbig5 cnbig5 big5et big5eten"},
    {"Big5-HKSCS", "BIG5-HKSCS", NULL, NULL, "big5hk big5hkscs2008"},
    {"CP950", "CP950", NULL, "Big5", "ms950 win950 windows950 950"},
    {"EUC-KR", "EUC-KR", "CP949", NULL, "cseuckr ksc5601 ksc56011987 ksx1001 korean isoir149"},
    {"CP949", "CP949", NULL, "EUC-KR", "uhc ms949 win949 windows949 949"},
    {"EUC-TW", "EUC-TW", NULL, NULL, "cseuctw"},
};

enum { COUNT = sizeof charsets / sizeof *charsets };

/* Letters in lower case and digits; nothing else counts in a name. */
static size_t fold(char folded[FOLDED_MAX], const char *name)
{
    size_t size = 0;
    for (; *name && size < FOLDED_MAX - 1; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            folded[size++] = c;
    }
    folded[size] = '\0';
    return size;
}

/* The next word of a list, or NULL; *list goes on behind it. */
static const char *next_word(const char **list, size_t *size)
{
    const char *word = *list + strspn(*list, " ");
    *size = strcspn(word, " ");
    *list = word + *size;
    return *size ? word : NULL;
}

static bool is_called(const struct charset *charset, const char *folded, size_t size)
{
    char name[FOLDED_MAX];
    if (fold(name, charset->name) == size && memcmp(name, folded, size) == 0)
        return true;
    const char *list = charset->aliases, *word;
    size_t length;
    while ((word = next_word(&list, &length))) {
        if (length == size && memcmp(word, folded, size) == 0)
            return true;
    }
    return false;
}

const struct charset *charset_find(const char *name)
{
    char folded[FOLDED_MAX];
    size_t size = fold(folded, name);
    for (size_t i = 0; i < COUNT; i++) {
        if (is_called(&charsets[i], folded, size))
            return &charsets[i];
    }
    return NULL;
}

/* Letters to change, add or leave out to make one of the other. */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[FOLDED_MAX + 1];
    if (b_size > FOLDED_MAX)
        return b_size;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 0; i < a_size; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_size; j++) {
            size_t best = corner + (a[i] != b[j]);
            corner = row[j + 1];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j + 1] = corner + 1 < best ? corner + 1 : best;
        }
    }
    return row[b_size];
}

const char *charset_nearest(const char *name)
{
    char folded[FOLDED_MAX], own[FOLDED_MAX];
    size_t size = fold(folded, name), best = size / 3 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < COUNT; i++) {
        size_t length = fold(own, charsets[i].name);
        const char *list = charsets[i].aliases, *word = own;
        for (; word; word = next_word(&list, &length)) {
            size_t away = distance(folded, size, word, length);
            if (away < best) {
                best = away;
                nearest = charsets[i].name;
            }
        }
    }
    return nearest;
}
