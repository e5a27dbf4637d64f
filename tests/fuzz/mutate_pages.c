/* How a database is changed: mostly in place, since bytes that are put in or taken out
 * shift all that follows; and seldom in the pages that hold the schema, since a file
 * with another schema is refused before anything else is looked at. */
#include "tests/fuzz/harness.h"

#include <stdbool.h>
#include <string.h>

#define PAGE_MIN 512
#define ELSEWHERE 16 /* tries to leave the schema */

struct random {
    uint64_t state;
};

/* splitmix64 */
static uint64_t draw(struct random *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static size_t below(struct random *random, size_t end)
{
    return (size_t)(draw(random) % end);
}

/* As the file's header says; 512 when it says nonsense. */
static size_t page_size(const uint8_t *bytes, size_t size)
{
    size_t page = size > 17 ? (size_t)bytes[16] << 8 | bytes[17] : 0;
    page = page == 1 ? 65536 : page;
    return page >= PAGE_MIN && page <= size && (page & (page - 1)) == 0 ? page : PAGE_MIN;
}

static bool holds_schema(const uint8_t *page, size_t size)
{
    return memmem(page, size, "CREATE ", 7) != NULL || memmem(page, size, "SQLite format", 13);
}

/* The beginning of a page of the file. */
static size_t choose_page(struct random *random, const uint8_t *bytes, size_t size, size_t page)
{
    size_t at = 0;
    for (int i = 0; i < ELSEWHERE; i++) {
        at = below(random, size / page) * page;
        if (!holds_schema(bytes + at, page))
            break;
    }
    return at;
}

/* A place in a page: often in its header and the pointers to its cells, else within
 * its contents. */
static size_t choose_place(struct random *random, const uint8_t *page, size_t size)
{
    switch (below(random, 4)) {
    case 0:
        return below(random, 8);
    case 1:
        return below(random, 64);
    default:
        break;
    }
    for (int i = 0; i < ELSEWHERE; i++) {
        size_t at = below(random, size);
        if (page[at])
            return at;
    }
    return below(random, size);
}

static void change(struct random *random, uint8_t *at, size_t room)
{
    static const uint8_t telling[] = {0, 1, 2, 5, 10, 13, 0x7F, 0x80, 0x81, 0xFE, 0xFF};
    switch (below(random, 5)) {
    case 0:
        *at = (uint8_t)draw(random);
        break;
    case 1:
        *at ^= (uint8_t)(1u << below(random, 8));
        break;
    case 2:
        *at = telling[below(random, sizeof telling)];
        break;
    case 3:
        *at = (uint8_t)(*at + below(random, 9) - 4);
        break;
    default:
        memset(at, telling[below(random, sizeof telling)], 1 + below(random, room < 9 ? room : 9));
        break;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed)
{
    struct random random = {seed};
    if (size < PAGE_MIN || below(&random, 64) == 0)
        return LLVMFuzzerMutate(bytes, size, capacity);
    size_t page = page_size(bytes, size);
    if (below(&random, 32) == 0) {
        size_t from = choose_page(&random, bytes, size, page);
        memmove(bytes + choose_page(&random, bytes, size, page), bytes + from, page);
    }
    for (size_t changes = 1 + below(&random, 6); changes > 0; changes--) {
        size_t begin = choose_page(&random, bytes, size, page);
        size_t at = choose_place(&random, bytes + begin, page);
        change(&random, bytes + begin + at, page - at);
    }
    return size;
}
