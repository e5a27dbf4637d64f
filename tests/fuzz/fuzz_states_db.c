/* A states.db from anywhere: opened, all of it read, then written to. The input is the
 * file. One that is refused is left as it was. */
#include "tests/fuzz/harness.h"

#include "store/states.h"

#include <stdlib.h>
#include <string.h>

#define STATES 16                        /* that are looked at */
#define PAYLOAD_LIMIT ((int64_t)1 << 20) /* bytes of one that is loaded */

static struct error error;

struct walk {
    struct states *states;
    struct states_info infos[STATES];
    size_t count;
};

/* What fails says why. */
static bool worked(bool ok)
{
    if (!ok)
        harness_require_error(&error);
    return ok;
}

static bool note_state(void *context, const struct states_info *info)
{
    struct walk *walk = context;
    HARNESS_REQUIRE(memchr(info->numerics, '\0', sizeof info->numerics) != NULL);
    HARNESS_REQUIRE(info->place.kind >= STATES_PREFIX && info->place.kind <= STATES_ANSWER);
    HARNESS_REQUIRE(info->token >= 0 && info->raw_bytes >= 0 && info->stored_bytes >= 0);
    walk->infos[walk->count++] = *info;
    return walk->count < STATES;
}

static bool is_same_place(const struct states_place *a, const struct states_place *b)
{
    return a->document == b->document && a->kind == b->kind && a->section == b->section &&
           hash_equal(&a->model, &b->model);
}

static void load(struct walk *walk, const struct states_info *info)
{
    struct states_info got;
    bool found;
    if (info->raw_bytes > PAYLOAD_LIMIT)
        return;
    size_t size = (size_t)info->raw_bytes;
    char *payload = malloc(size > 0 ? size : 1);
    HARNESS_REQUIRE(payload != NULL);
    if (worked(states_get(walk->states, &info->place, &info->key, &got, payload, size, &found,
                          &error)) &&
        found) {
        HARNESS_REQUIRE(is_same_place(&got.place, &info->place));
        struct hash hash = hash_of(payload, size);
        HARNESS_REQUIRE(hash_equal(&hash, &got.hash));
    }
    struct states_key other = info->key;
    other.text.bytes[3] ^= 1;
    if (states_get(walk->states, &info->place, &other, &got, payload, size, &found, &error))
        HARNESS_REQUIRE(!found);
    free(payload);
}

static void look(struct walk *walk, const struct states_info *info)
{
    struct states_info got;
    bool found;
    int64_t bytes;
    if (worked(states_look(walk->states, &info->place, &got, &found, &error)) && found)
        HARNESS_REQUIRE(is_same_place(&got.place, &info->place));
    if (worked(states_nearest_prefix(walk->states, info->place.document, &info->place.model, 99,
                                     &got, &found, &error)) &&
        found) {
        HARNESS_REQUIRE(got.place.document == info->place.document);
        HARNESS_REQUIRE(hash_equal(&got.place.model, &info->place.model));
        HARNESS_REQUIRE(got.place.kind == STATES_PREFIX && got.place.section <= 99);
    }
    worked(states_total_bytes(walk->states, info->place.document, &bytes, &error));
}

/* --- the whole -------------------------------------------------------------------------- */

static void note_problem(void *context, const char *line)
{
    HARNESS_REQUIRE(line && *line);
    ++*(int64_t *)context;
}

static bool keep_some(void *context, const struct states_info *info, bool *keep,
                      struct error *unused)
{
    (void)unused;
    ++*(int64_t *)context;
    *keep = info->place.section % 2 == 0;
    return true;
}

static void keep_house(struct walk *walk)
{
    int64_t reported = 0, problems = 0, visited = 0;
    struct states_freed freed;
    if (worked(states_verify(walk->states, NULL, note_problem, &reported, &problems, &error)))
        HARNESS_REQUIRE((reported > 0) == (problems > 0));
    if (worked(states_sweep(walk->states, keep_some, &visited, &freed, &error)))
        HARNESS_REQUIRE(freed.states >= 0 && freed.states <= visited);
    if (worked(states_thin(walk->states, 1000, &freed, &error)))
        HARNESS_REQUIRE(freed.states >= 0);
}

static void write_states(struct walk *walk)
{
    static const char payload[] = "a state of a very small model, of no use";
    struct states_info info = {
        .place = {.document = 1, .kind = STATES_PREFIX, .section = 3},
        .numerics = "cpu/none",
        .token = 9,
    };
    if (walk->count > 0)
        info.place = walk->infos[0].place;
    if (worked(states_put(walk->states, &info, payload, sizeof payload, &error)))
        load(walk, &info);
    worked(states_remove_from(walk->states, info.place.document, 1, &error));
    worked(states_remove_document(walk->states, info.place.document, &error));
}

static void walk_all(struct states *states)
{
    struct walk walk = {.states = states};
    for (int64_t document = 1; document <= 2; document++)
        if (walk.count < STATES)
            worked(states_each(states, document, NULL, note_state, &walk, &error));
    for (size_t i = 0; i < walk.count; i++) {
        look(&walk, &walk.infos[i]);
        load(&walk, &walk.infos[i]);
    }
    keep_house(&walk);
    write_states(&walk);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct states *states;
    harness_clear();
    harness_write("states.db", bytes, size);
    if (worked(states_open(&states, harness_folder(), &error))) {
        walk_all(states);
        states_close(states);
    } else {
        HARNESS_REQUIRE(harness_is_unchanged("states.db", bytes, size));
    }
    return 0;
}
