/* cluster.h: text one grapheme cluster at a time (Unicode Standard Annex #29, by
 * utf8proc), each as a terminal can be trusted to show it.
 *
 *     for (size_t at = 0; at < size; at += cluster.size)
 *         cluster_next(&cluster, text, size, at);
 *
 * Any bytes may be given: what a terminal would act on is shown as visible_append()
 * writes it, as characters of its own. What terminals disagree about is not sent: of an
 * emoji sequence joined by U+200D the first emoji is shown, of a flag its two letters;
 * skin tones, variation selectors and characters that are never seen are left out; a
 * character without a known width becomes U+FFFD, a mark without a character to stand on
 * gets a dotted circle. Four marks on a character are shown and eleven characters in all:
 * further ones are left out. So the columns counted here are the columns taken, on every
 * terminal. */
#ifndef TIDEMARK_UI_CLUSTER_H
#define TIDEMARK_UI_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

#define CLUSTER_SHOWN 12 /* with the terminating NUL */

struct cluster {
    size_t size;                  /* bytes of text, 1 or more */
    unsigned columns;             /* on the screen, 0 to 10; a tab takes 4, a line end none */
    bool blank;                   /* space, tab or line end: a line may be broken after it */
    bool wide;                    /* of a script that is written without spaces: so, too, before and
                                     after it */
    wchar_t shown[CLUSTER_SHOWN]; /* what is drawn: characters of their own width, each
                                     followed by those of no width that it carries */
};

/* The cluster at text[at..size), at < size, at where a cluster begins. */
void cluster_next(struct cluster *cluster, const char *text, size_t size, size_t at);

/* Where the cluster before `at` begins; at > 0. */
size_t cluster_before(const char *text, size_t size, size_t at);

/* Columns of all of it. */
size_t cluster_columns(const char *text, size_t size);

/* Bytes of as many whole clusters as fit into `columns`. */
size_t cluster_fit(const char *text, size_t size, size_t columns);

#endif
