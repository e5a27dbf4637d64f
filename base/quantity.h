/* quantity.h: numbers as people read them. Each writes a short text into the
 * caller's array and returns it. */
#ifndef TIDEMARK_BASE_QUANTITY_H
#define TIDEMARK_BASE_QUANTITY_H

#include <stdint.h>

#define QUANTITY_SIZE 32

char *quantity_count(char text[QUANTITY_SIZE], int64_t number); /* 12,345 */
char *quantity_bytes(char text[QUANTITY_SIZE], int64_t bytes);  /* 12.3 MiB */
char *quantity_time(char text[QUANTITY_SIZE], double seconds);  /* 3 min 20 s */
char *quantity_rate(char text[QUANTITY_SIZE], double a_second); /* 1.23 T, 95.2, 1,200 */

#endif
