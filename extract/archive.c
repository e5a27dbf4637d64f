#include "extract/archive.h"

#include "extract/emit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

static struct {
    zip_t *zip;
    uint64_t size, taken; /* of the archive; of what was unpacked so far */
} archive;

/* Entries that lie over each other are how a small archive holds petabytes. */
static void check_entries(void)
{
    zip_int64_t count = zip_get_num_entries(archive.zip, 0);
    uint64_t sum = 0;
    if (count > ARCHIVE_ENTRIES_MOST)
        emit_fail("is an archive of more than %d files, which no document is",
                  ARCHIVE_ENTRIES_MOST);
    for (zip_int64_t i = 0; i < count; i++) {
        zip_stat_t facts;
        if (zip_stat_index(archive.zip, (zip_uint64_t)i, 0, &facts) != 0 ||
            !(facts.valid & ZIP_STAT_COMP_SIZE))
            continue;
        if (facts.comp_size > archive.size || (sum += facts.comp_size) > archive.size)
            emit_fail("is an archive whose files lie over each other, as those do that are made "
                      "to fill disks");
    }
}

void archive_open(int descriptor)
{
    struct stat facts;
    int problem = 0;
    if (fstat(descriptor, &facts) != 0 || facts.st_size < 0)
        emit_fail("cannot be looked at");
    archive.size = (uint64_t)facts.st_size;
    archive.zip = zip_fdopen(descriptor, 0, &problem);
    if (!archive.zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, problem);
        emit_fail("is a damaged ZIP archive (%s)", zip_error_strerror(&error));
    }
    check_entries();
}

uint64_t archive_size(void)
{
    return archive.size;
}

bool archive_has(const char *name)
{
    return zip_name_locate(archive.zip, name, 0) >= 0;
}

static zip_file_t *open_entry(const char *name)
{
    zip_stat_t facts;
    if (zip_stat(archive.zip, name, 0, &facts) == 0 && (facts.valid & ZIP_STAT_ENCRYPTION_METHOD) &&
        facts.encryption_method != ZIP_EM_NONE)
        emit_fail("is encrypted: save it without a password first");
    zip_file_t *file = zip_fopen(archive.zip, name, 0);
    if (!file)
        emit_fail("is a damaged archive: %.100s cannot be unpacked (%s)", name,
                  zip_strerror(archive.zip));
    return file;
}

static size_t read_piece(zip_file_t *file, const char *name, char *bytes, size_t room)
{
    zip_int64_t got = zip_fread(file, bytes, room);
    if (got < 0)
        emit_fail("is a damaged archive: %.100s cannot be unpacked (%s)", name,
                  zip_file_strerror(file));
    archive.taken += (uint64_t)got;
    if (archive.taken > archive.size * ARCHIVE_RATIO + ARCHIVE_FREE)
        emit_fail("unpacks to more than %d times its size, which no document does", ARCHIVE_RATIO);
    return (size_t)got;
}

char *archive_read(const char *name, size_t *size)
{
    if (!archive_has(name))
        return NULL;
    zip_file_t *file = open_entry(name);
    size_t room = 65536, used = 0, got;
    char *bytes = malloc(room + 1);
    while (bytes && (got = read_piece(file, name, bytes + used, room - used)) > 0) {
        used += got;
        if (used < room)
            continue;
        if (room >= ARCHIVE_ENTRY_MOST)
            emit_fail("holds a file of more than %zu MiB, %.100s", ARCHIVE_ENTRY_MOST >> 20, name);
        char *more = realloc(bytes, (room *= 2) + 1);
        if (!more)
            free(bytes);
        bytes = more;
    }
    if (!bytes)
        emit_no_memory();
    zip_fclose(file);
    bytes[used] = '\0';
    *size = used;
    return bytes;
}

void archive_each_piece(const char *name,
                        void (*take)(void *context, const char *bytes, size_t size), void *context)
{
    static char piece[65536];
    zip_file_t *file = open_entry(name);
    size_t got;
    while ((got = read_piece(file, name, piece, sizeof piece)) > 0)
        take(context, piece, got);
    zip_fclose(file);
}
