#include "convert/stream.h"

#include "base/file.h"
#include "kernels/quantize.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the source, for one work item: enough that a disk is not kept seeking. */
#define STRETCH ((size_t)2 << 20)

/* Memory of one thread. */
struct worker {
    unsigned char *source, *target;
    float *row;
};

struct stream {
    const struct plan *plan;
    const struct stream_options *options;
    const struct quantize_level *level;
    const char *path; /* of the part */
    int descriptor;
    size_t *first; /* [plan->count + 1]: number of each tensor's first work item */
    struct worker *workers;
    unsigned threads;
    uint64_t all;
    _Atomic uint64_t done;
    atomic_bool failed;
    pthread_mutex_t mutex; /* of `error` */
    struct error error;    /* the first */
};

static size_t source_row(const struct plan_tensor *tensor)
{
    return tensor->change == PLAN_ZERO
               ? 0
               : blocks_row_bytes(tensor->source.type, (size_t)tensor->ne[0]);
}

static size_t target_row(const struct plan_tensor *tensor)
{
    return blocks_row_bytes(tensor->type, (size_t)tensor->ne[0]);
}

/* Of one work item; at least one. */
static size_t item_rows(const struct plan_tensor *tensor)
{
    size_t bytes = (size_t)tensor->ne[0] * sizeof(float);
    return bytes >= STRETCH ? 1 : STRETCH / bytes;
}

/* --- failures ------------------------------------------------------------------------- */

static void fail(struct stream *stream, enum error_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void fail(struct stream *stream, enum error_kind kind, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&stream->mutex);
    if (!atomic_exchange(&stream->failed, true))
        error_set(&stream->error, kind, "%s", text);
    pthread_mutex_unlock(&stream->mutex);
}

static const char *why(int number)
{
    return number ? strerror(number) : "it has become shorter";
}

static bool cannot_write(const char *path, int number, struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "cannot write %s: %s%s", path, strerror(number),
                     number == ENOSPC || number == EDQUOT
                         ? ": make room, or name another place with --output"
                         : "");
}

/* --- one stretch of rows ----------------------------------------------------------------- */

/* False with errno, which is 0 at the end of the file. */
static bool read_at(int descriptor, unsigned char *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t got = pread(descriptor, bytes, size, (off_t)offset);
        if (got == 0)
            errno = 0;
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        if (got > 0) {
            bytes += got;
            size -= (size_t)got;
            offset += (uint64_t)got;
        }
    }
    return true;
}

static bool write_at(int descriptor, const void *bytes, size_t size, uint64_t offset)
{
    const unsigned char *from = bytes;
    while (size > 0) {
        ssize_t put = pwrite(descriptor, from, size, (off_t)offset);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            from += put;
            size -= (size_t)put;
            offset += (uint64_t)put;
        }
    }
    return true;
}

static void change_row(float *row, size_t columns, enum plan_change change)
{
    for (size_t i = 0; change == PLAN_ZERO && i < columns; i++)
        row[i] = 0;
    for (size_t i = 0; change == PLAN_NEGATIVE_EXP && i < columns; i++)
        row[i] = (float)-exp((double)row[i]);
}

/* A row of the same type passes as it is once its scales are found finite. */
static enum quantize_result convert_row(const struct stream *stream,
                                        const struct plan_tensor *tensor, unsigned char *target,
                                        const unsigned char *source, float *row)
{
    size_t columns = (size_t)tensor->ne[0];
    if (tensor->change == PLAN_AS_IT_IS && tensor->source.type == tensor->type) {
        memcpy(target, source, target_row(tensor));
        return quantize_row_is_finite(tensor->type, target, columns) ? QUANTIZE_DONE
                                                                     : QUANTIZE_NOT_FINITE;
    }
    if (tensor->change != PLAN_ZERO)
        blocks_to_float(row, tensor->source.type, source, columns);
    change_row(row, columns, tensor->change);
    return quantize_row(stream->level, target, tensor->type, row, columns, tensor->importance);
}

static void report_bad_row(struct stream *stream, const struct plan_tensor *tensor, uint64_t row,
                           enum quantize_result result)
{
    if (result == QUANTIZE_NOT_FINITE)
        fail(stream, ERROR_MODEL,
             "%s: row %llu of %s holds a weight that is not a finite number: get the file again",
             tensor->source.path, (unsigned long long)row, tensor->name);
    else
        fail(stream, ERROR_MODEL,
             "%s: row %llu of %s holds weights that are too large for %s: choose f32 or bf16",
             tensor->source.path, (unsigned long long)row, tensor->name,
             blocks_layout(tensor->type)->name);
}

static void convert_stretch(struct stream *stream, const struct plan_tensor *tensor, uint64_t first,
                            size_t rows, struct worker *worker)
{
    size_t from = source_row(tensor), to = target_row(tensor);
    const struct plan_source *source = &tensor->source;
    if (from &&
        !read_at(source->descriptor, worker->source, rows * from, source->offset + first * from)) {
        fail(stream, ERROR_MODEL, "cannot read %s: %s", source->path, why(errno));
        return;
    }
    for (size_t i = 0; i < rows; i++) {
        enum quantize_result result = convert_row(stream, tensor, worker->target + i * to,
                                                  worker->source + i * from, worker->row);
        if (result != QUANTIZE_DONE) {
            report_bad_row(stream, tensor, first + i, result);
            return;
        }
    }
    if (!write_at(stream->descriptor, worker->target, rows * to, tensor->offset + first * to)) {
        struct error error;
        cannot_write(stream->path, errno, &error);
        fail(stream, ERROR_SYSTEM, "%s", error.text);
    }
}

/* The tensor that a work item belongs to. */
static size_t tensor_of(const struct stream *stream, size_t item)
{
    size_t low = 0, high = stream->plan->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (stream->first[middle] <= item)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void work_item(void *context, size_t item, unsigned number)
{
    struct stream *stream = context;
    if (atomic_load_explicit(&stream->failed, memory_order_relaxed))
        return;
    size_t index = tensor_of(stream, item);
    const struct plan_tensor *tensor = &stream->plan->tensors[index];
    size_t most = item_rows(tensor);
    uint64_t first = (uint64_t)(item - stream->first[index]) * most;
    uint64_t left = plan_rows(tensor) - first;
    size_t rows = left < most ? (size_t)left : most;
    convert_stretch(stream, tensor, first, rows, &stream->workers[number]);
    uint64_t done = atomic_fetch_add(&stream->done, rows * target_row(tensor));
    if (number == 0 && stream->options->report)
        stream->options->report(stream->options->context, done, stream->all);
}

/* --- memory -------------------------------------------------------------------------------- */

static void free_workers(struct stream *stream)
{
    for (unsigned i = 0; stream->workers && i < stream->threads; i++) {
        free(stream->workers[i].source);
        free(stream->workers[i].target);
        free(stream->workers[i].row);
    }
    free(stream->workers);
    free(stream->first);
}

static bool make_workers(struct stream *stream, struct error *error)
{
    const struct plan *plan = stream->plan;
    size_t source = 1, target = 1, columns = 1;
    stream->threads = pool_threads(stream->options->pool);
    stream->first = calloc(plan->count + 1, sizeof *stream->first);
    stream->workers = calloc(stream->threads, sizeof *stream->workers);
    if (!stream->first || !stream->workers)
        return error_out_of_memory(error);
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_tensor *tensor = &plan->tensors[i];
        uint64_t rows = plan_rows(tensor);
        size_t most = rows < item_rows(tensor) ? (size_t)rows : item_rows(tensor);
        stream->first[i + 1] = stream->first[i] + (size_t)((rows + most - 1) / most);
        stream->all += tensor->bytes;
        if (most * source_row(tensor) > source)
            source = most * source_row(tensor);
        if (most * target_row(tensor) > target)
            target = most * target_row(tensor);
        if (tensor->ne[0] > columns)
            columns = (size_t)tensor->ne[0];
    }
    for (unsigned i = 0; i < stream->threads; i++) {
        struct worker *worker = &stream->workers[i];
        worker->source = malloc(source);
        worker->target = malloc(target);
        worker->row = malloc(columns * sizeof *worker->row);
        if (!worker->source || !worker->target || !worker->row)
            return error_out_of_memory(error);
    }
    return true;
}

/* --- the file ------------------------------------------------------------------------------- */

bool stream_may_write(const char *path, bool replace, struct error *error)
{
    struct stat status;
    if (replace || (lstat(path, &status) != 0 && errno == ENOENT))
        return true;
    return error_set(error, ERROR_INPUT,
                     "%s is there already: remove it, name another file, or use --force", path);
}

static bool open_part(int *descriptor, const char *path, struct error *error)
{
    *descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*descriptor < 0)
        return error_set(error, ERROR_INPUT, "cannot create %s: %s", path, strerror(errno));
    /* Whoever had the lock may have given the file another name, or none, meanwhile. */
    struct stat locked, named;
    if (flock(*descriptor, LOCK_EX | LOCK_NB) == 0 && fstat(*descriptor, &locked) == 0 &&
        lstat(path, &named) == 0 && locked.st_dev == named.st_dev && locked.st_ino == named.st_ino)
        return true;
    close(*descriptor);
    *descriptor = -1;
    return error_set(error, ERROR_INPUT, "%s is being written by another process: wait for it",
                     path);
}

/* Room for all of it is asked for at once, so that a full disk is found before the work
 * where the file system can say so. */
static bool reserve(const struct stream *stream, struct error *error)
{
    uint64_t size = stream->plan->size;
    if (ftruncate(stream->descriptor, 0) != 0)
        return cannot_write(stream->path, errno, error);
#ifdef __linux__
    if (fallocate(stream->descriptor, 0, 0, (off_t)size) == 0)
        return true;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
        return cannot_write(stream->path, errno, error);
#endif
    return ftruncate(stream->descriptor, (off_t)size) == 0 ||
           cannot_write(stream->path, errno, error);
}

/* The header but for its first four bytes, without which it is no GGUF file. */
static bool write_header(const struct stream *stream, struct error *error)
{
    struct buffer header = {0};
    bool ok = plan_header(stream->plan, &header, error) &&
              (write_at(stream->descriptor, header.data + 4, header.size - 4, 4) ||
               cannot_write(stream->path, errno, error));
    buffer_free(&header);
    return ok;
}

static bool write_weights(struct stream *stream, struct error *error)
{
    bool ran =
        pool_run(stream->options->pool, work_item, stream, stream->first[stream->plan->count]);
    if (atomic_load(&stream->failed)) {
        *error = stream->error;
        return false;
    }
    return ran || error_set(error, ERROR_INTERRUPTED, "interrupted");
}

static bool seal(const struct stream *stream, struct error *error)
{
    return (fsync(stream->descriptor) == 0 && write_at(stream->descriptor, "GGUF", 4, 0) &&
            fsync(stream->descriptor) == 0) ||
           cannot_write(stream->path, errno, error);
}

static bool sync_folder(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
    if (!folder)
        return error_out_of_memory(error);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = descriptor >= 0 && (fsync(descriptor) == 0 || errno == EINVAL);
    if (!ok)
        error_set(error, ERROR_SYSTEM, "cannot write the folder of %s: %s", path, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    free(folder);
    return ok;
}

/* Without `replace`, a file that has come meanwhile is not lost, where the file system
 * has links. */
static bool give_name(const struct stream *stream, const char *path, struct error *error)
{
    bool done = false;
    if (!stream->options->replace) {
        done = link(stream->path, path) == 0;
        if (done)
            unlink(stream->path);
        else if (errno == EEXIST)
            return stream_may_write(path, false, error);
    }
    if (!done && rename(stream->path, path) != 0)
        return error_set(error, ERROR_SYSTEM, "cannot rename %s: %s", stream->path,
                         strerror(errno));
    return sync_folder(path, error);
}

static bool write_part(struct stream *stream, const char *path, struct error *error)
{
    return make_workers(stream, error) && reserve(stream, error) && write_header(stream, error) &&
           write_weights(stream, error) && seal(stream, error) && give_name(stream, path, error);
}

bool stream_write(const struct plan *plan, const char *path, const struct stream_options *options,
                  struct error *error)
{
    struct stream stream = {.plan = plan, .options = options, .level = quantize_best()};
    struct buffer part = {0};
    if (!stream_may_write(path, options->replace, error))
        return false;
    if (!buffer_append_text(&part, path, error) || !buffer_append_text(&part, ".part", error) ||
        !open_part(&stream.descriptor, part.data, error)) {
        buffer_free(&part);
        return false;
    }
    stream.path = part.data;
    pthread_mutex_init(&stream.mutex, NULL);
    bool ok = write_part(&stream, path, error);
    if (!ok)
        unlink(part.data);
    close(stream.descriptor);
    pthread_mutex_destroy(&stream.mutex);
    free_workers(&stream);
    buffer_free(&part);
    return ok;
}
