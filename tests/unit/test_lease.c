/* Tests of store/lease.h: one process has a document, and others learn which. */
#include <fcntl.h>
#include <limits.h>

#include "base/clock.h"
#include "store/lease.h"
#include "tests/unit/store_fixture.h"

struct fixture {
    char folder[FIXTURE_FOLDER_SIZE];
    char path[FIXTURE_PATH_SIZE]; /* of the lock file */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture || !make_folder(fixture->folder))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/reading.lock", fixture->folder);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    int status = remove_folder(fixture->folder);
    free(fixture);
    return status;
}

static struct lease *take(const char *folder, int64_t document, struct lease_holder *holder)
{
    struct lease *lease;
    struct error error = {0};
    if (!lease_take(&lease, folder, document, holder, &error))
        fail_msg("document %lld: %s", (long long)document, error.text);
    if (lease)
        assert_true(holder->process == 0 && holder->since == 0);
    return lease;
}

static struct lease *must_take(const char *folder, int64_t document)
{
    struct lease_holder holder;
    struct lease *lease = take(folder, document, &holder);
    assert_non_null(lease);
    return lease;
}

static void assert_held_by(const char *folder, int64_t document, pid_t process)
{
    struct lease_holder holder;
    assert_null(take(folder, document, &holder));
    assert_int_equal(holder.process, process);
    int64_t now = clock_unix_time();
    assert_true(holder.since > now - 100 && holder.since <= now);
}

/* What another process is told. */
struct answer {
    bool ok, taken;
    struct lease_holder holder;
};

static struct answer ask_child(const char *folder, int64_t document)
{
    int ends[2];
    struct answer answer = {0};
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct lease *lease;
        struct error error = {0};
        answer.ok = lease_take(&lease, folder, document, &answer.holder, &error);
        answer.taken = lease != NULL;
        if (!answer.ok)
            fprintf(stderr, "%s\n", error.text);
        _exit(write(ends[1], &answer, sizeof answer) != sizeof answer);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &answer, sizeof answer), sizeof answer);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(answer.ok);
    return answer;
}

static void assert_child_is_refused(const char *folder, int64_t document)
{
    struct answer answer = ask_child(folder, document);
    int64_t now = clock_unix_time();
    assert_false(answer.taken);
    assert_int_equal(answer.holder.process, getpid());
    assert_true(answer.holder.since > now - 100 && answer.holder.since <= now);
}

/* A process that has a document until it is killed. */
static pid_t start_holder(const char *folder, int64_t document)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct lease *lease;
        struct lease_holder holder;
        struct error error = {0};
        char byte = lease_take(&lease, folder, document, &holder, &error) && lease ? 'y' : 'n';
        if (write(ends[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    assert_int_equal(byte, 'y');
    return child;
}

static void end_holder(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
}

/* --- holders --------------------------------------------------------------- */

static void second_process_learns_who_has_it(void **state)
{
    struct fixture *fixture = *state;
    struct lease *lease = must_take(fixture->folder, 7);
    assert_mode(fixture->folder, "reading.lock", 0600);
    assert_child_is_refused(fixture->folder, 7);
    lease_release(lease);
    assert_true(ask_child(fixture->folder, 7).taken);
    lease_release(must_take(fixture->folder, 7));
    lease_release(NULL);
}

static void killed_process_frees_it(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = start_holder(fixture->folder, 3);
    assert_held_by(fixture->folder, 3, child);
    assert_held_by(fixture->folder, 3, child);
    end_holder(child);
    lease_release(must_take(fixture->folder, 3));
}

static void documents_do_not_disturb_each_other(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = start_holder(fixture->folder, 2);
    struct lease *first = must_take(fixture->folder, 1), *third = must_take(fixture->folder, 3);
    assert_held_by(fixture->folder, 2, child);
    assert_child_is_refused(fixture->folder, 1);
    assert_child_is_refused(fixture->folder, 3);
    lease_release(first); /* the lock on the third stays */
    assert_child_is_refused(fixture->folder, 3);
    assert_true(ask_child(fixture->folder, 1).taken);
    assert_held_by(fixture->folder, 2, child);
    assert_child_is_refused(fixture->folder, 3);
    lease_release(third);
    end_holder(child);
}

/* Locks are the process's: it must remember itself what it has. */
static void same_process_is_refused_too(void **state)
{
    struct fixture *fixture = *state;
    struct lease *lease = must_take(fixture->folder, 5);
    assert_held_by(fixture->folder, 5, getpid());
    assert_child_is_refused(fixture->folder, 5);
    char roundabout[FIXTURE_PATH_SIZE];
    snprintf(roundabout, sizeof roundabout, "%s/.", fixture->folder);
    assert_held_by(roundabout, 5, getpid());
    lease_release(lease);
    lease_release(must_take(roundabout, 5));
}

static void folders_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    char other[FIXTURE_FOLDER_SIZE];
    assert_true(make_folder(other));
    struct lease *here = must_take(fixture->folder, 5), *there = must_take(other, 5);
    lease_release(here);
    assert_child_is_refused(other, 5);
    assert_true(ask_child(fixture->folder, 5).taken);
    lease_release(there);
    assert_int_equal(remove_folder(other), 0);
}

static void child_inherits_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct lease *lease = must_take(fixture->folder, 5);
    pid_t child = fork();
    if (child == 0) {
        struct lease *other;
        struct lease_holder holder;
        struct error error;
        bool ok = lease_take(&other, fixture->folder, 6, &holder, &error) && other;
        lease_release(lease);
        lease_release(other);
        ok = ok && lease_take(&other, fixture->folder, 5, &holder, &error) && !other &&
             holder.process == getppid();
        _exit(!ok);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_child_is_refused(fixture->folder, 5);
    lease_release(lease);
}

/* Many processes try at the same time, over and over: never two have it. */
static void never_two_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    enum { CHILDREN = 4, ROUNDS = 300 };
    pid_t children[CHILDREN];
    char mark[FIXTURE_PATH_SIZE];
    snprintf(mark, sizeof mark, "%s/mark", fixture->folder);
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        int taken = 0;
        for (int round = 0; round < ROUNDS || taken == 0; round++) {
            struct lease *lease;
            struct lease_holder holder;
            struct error error;
            if (!lease_take(&lease, fixture->folder, 1, &holder, &error))
                _exit(1);
            if (!lease)
                continue;
            int descriptor = open(mark, O_CREAT | O_EXCL | O_WRONLY, 0600);
            if (descriptor < 0 || close(descriptor) != 0 || unlink(mark) != 0)
                _exit(2);
            taken++;
            lease_release(lease);
        }
        _exit(0);
    }
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

/* --- the file -------------------------------------------------------------- */

static void file_that_was_removed_is_made_anew(void **state)
{
    struct fixture *fixture = *state;
    struct lease *lease = must_take(fixture->folder, 5);
    assert_int_equal(unlink(fixture->path), 0);
    assert_held_by(fixture->folder, 5, getpid());
    struct lease *other = must_take(fixture->folder, 6);
    assert_child_is_refused(fixture->folder, 6);
    lease_release(lease);
    assert_child_is_refused(fixture->folder, 6);
    lease = must_take(fixture->folder, 5);
    assert_child_is_refused(fixture->folder, 5);
    lease_release(other);
    assert_child_is_refused(fixture->folder, 5);
    lease_release(lease);
    assert_int_equal(access(fixture->path, F_OK), 0);
}

/* Taken over and over while another removes the file: what is taken is always the file
 * that has the name, or was so at that moment. */
static void file_that_is_removed_meanwhile_does_no_harm(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = fork();
    if (child == 0)
        for (;;)
            unlink(fixture->path);
    for (int i = 0; i < 2000; i++) {
        struct lease_holder holder;
        lease_release(take(fixture->folder, 1, &holder));
    }
    end_holder(child);
    lease_release(must_take(fixture->folder, 1));
}

static void numbers_up_to_the_largest(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t taken[] = {1,
                                    2,
                                    3,
                                    1000,
                                    1 << 20,
                                    (1 << 20) + 1,
                                    INT64_C(1) << 40,
                                    INT64_MAX / 16 - 2,
                                    INT64_MAX / 16 - 1};
    static const int64_t refused[] = {INT64_MIN, -1, 0, INT64_MAX / 16, INT64_MAX - 1, INT64_MAX};
    enum { TAKEN = sizeof taken / sizeof *taken, REFUSED = sizeof refused / sizeof *refused };
    struct lease *leases[TAKEN];
    for (int i = 0; i < TAKEN; i++)
        leases[i] = must_take(fixture->folder, taken[i]);
    for (int i = 0; i < TAKEN; i++) {
        struct answer answer = ask_child(fixture->folder, taken[i]);
        assert_false(answer.taken);
        assert_int_equal(answer.holder.process, getpid());
    }
    for (int i = 0; i < TAKEN; i += 2) /* every other one: no two share a byte */
        lease_release(leases[i]);
    for (int i = 0; i < TAKEN; i++)
        assert_int_equal(ask_child(fixture->folder, taken[i]).taken, i % 2 == 0);
    for (int i = 1; i < TAKEN; i += 2)
        lease_release(leases[i]);
    for (int i = 0; i < REFUSED; i++) {
        struct lease *lease;
        struct lease_holder holder;
        struct error error = {0};
        assert_false(lease_take(&lease, fixture->folder, refused[i], &holder, &error));
        assert_null(lease);
        assert_int_equal(error.kind, ERROR_STORE);
        assert_non_null(strstr(error.text, "document number"));
    }
}

/* A date that cannot be one is not known. */
static void hostile_records_are_not_believed(void **state)
{
    struct fixture *fixture = *state;
    static const char *const records[] = {"-99999999999999\n", "99999999999999999999",
                                          "0x0000000000000\n", "               \n", "1\n"};
    pid_t child = start_holder(fixture->folder, 4);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        /* Not from this process: closing the file would drop its own locks. */
        pid_t writer = fork();
        if (writer == 0) {
            int descriptor = open(fixture->path, O_RDWR);
            char record[16] = {0};
            memcpy(record, records[i], strlen(records[i]) < 16 ? strlen(records[i]) : 16);
            _exit(pwrite(descriptor, record, 16, 4 * 16) != 16);
        }
        int status;
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_int_equal(status, 0);
        struct lease_holder holder;
        assert_null(take(fixture->folder, 4, &holder));
        assert_int_equal(holder.process, child);
        assert_int_equal(holder.since, 0);
    }
    end_holder(child);
}

static void assert_refused(const char *folder, const char *words)
{
    struct lease *lease;
    struct lease_holder holder;
    struct error error = {0};
    assert_false(lease_take(&lease, folder, 1, &holder, &error));
    assert_null(lease);
    assert_int_equal(error.kind, ERROR_STORE);
    if (!strstr(error.text, words) || !strstr(error.text, folder))
        fail_msg("\"%s\" does not say \"%s\" and the folder", error.text, words);
    assert_null(strchr(error.text, '\n'));
}

static void file_that_cannot_serve_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char absent[FIXTURE_PATH_SIZE];
    snprintf(absent, sizeof absent, "%s/absent", fixture->folder);
    assert_refused(absent, "No such file");
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_refused(fixture->folder, "reading.lock");
    assert_int_equal(rmdir(fixture->path), 0);
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_refused(fixture->folder, "is not a regular file");
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(symlink("/dev/null", fixture->path), 0);
    assert_refused(fixture->folder, "reading.lock");
    assert_int_equal(unlink(fixture->path), 0);
    lease_release(must_take(fixture->folder, 1));
}

/* Without the rights of root, which no mode keeps out. */
static void file_that_cannot_be_written_is_refused(void **state)
{
    struct fixture *fixture = *state;
    lease_release(must_take(fixture->folder, 1));
    assert_int_equal(chmod(fixture->path, 0400), 0);
    assert_int_equal(chmod(fixture->folder, 0755), 0);
    pid_t child = fork();
    if (child == 0) {
        struct lease *lease;
        struct lease_holder holder;
        struct error error = {0};
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        bool ok = lease_take(&lease, fixture->folder, 1, &holder, &error);
        _exit(ok || error.kind != ERROR_STORE || !strstr(error.text, "Permission denied") ||
              !strstr(error.text, fixture->path));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
#define LEASED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LEASED(second_process_learns_who_has_it),
        LEASED(killed_process_frees_it),
        LEASED(documents_do_not_disturb_each_other),
        LEASED(same_process_is_refused_too),
        LEASED(folders_are_told_apart),
        LEASED(child_inherits_nothing),
        LEASED(never_two_at_a_time),
        LEASED(file_that_was_removed_is_made_anew),
        LEASED(file_that_is_removed_meanwhile_does_no_harm),
        LEASED(numbers_up_to_the_largest),
        LEASED(hostile_records_are_not_believed),
        LEASED(file_that_cannot_serve_is_refused),
        LEASED(file_that_cannot_be_written_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
