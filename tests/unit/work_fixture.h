/* work_fixture.h: what the tests of app/work share: a session over a library that goes
 * away, and documents made of a text. */
#ifndef TIDEMARK_TESTS_WORK_FIXTURE_H
#define TIDEMARK_TESTS_WORK_FIXTURE_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/work/reading.h"

#define WORK_PATH_SIZE 128

struct work {
    char folder[64];
    struct session session;
    struct error error;
};

/* Fails the test with the error's line. */
#define work_require(work, done)                                                                   \
    do {                                                                                           \
        if (!(done))                                                                               \
            fail_msg("%s: %s", #done, (work)->error.text);                                         \
    } while (0)

static inline int work_remove_one(const char *path, const struct stat *facts, int kind,
                                  struct FTW *where)
{
    (void)facts;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A folder that is library, configuration and data at once; *state is the struct work. */
static inline int work_set_up(void **state)
{
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return -1;
    snprintf(work->folder, sizeof work->folder, "/tmp/test_work.XXXXXX");
    if (!mkdtemp(work->folder) || setenv("XDG_CONFIG_HOME", work->folder, 1) != 0 ||
        setenv("XDG_DATA_HOME", work->folder, 1) != 0)
        return -1;
    struct session_options options = {.library = work->folder, .threads = 1};
    *state = work;
    return session_open(&work->session, &options, NULL, NULL, NULL, &work->error) ? 0 : -1;
}

static inline int work_tear_down(void **state)
{
    struct work *work = *state;
    session_close(&work->session);
    int status = nftw(work->folder, work_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(work);
    return status;
}

static inline void work_write(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Takes a text in as the document of the file NAME, which is new or has changed. */
static inline int64_t work_take_in(struct work *work, const char *name, const char *text)
{
    char path[WORK_PATH_SIZE];
    const char *paths[] = {path};
    struct reading_options options = {.paths = paths, .path_count = 1, .text_only = true};
    struct reading_result result;
    snprintf(path, sizeof path, "%s/%s", work->folder, name);
    work_write(path, text, strlen(text));
    work_require(work, reading_run(&work->session, &options, &result, &work->error));
    return result.document;
}

#endif
