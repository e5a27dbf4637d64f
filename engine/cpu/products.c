/* products.c: the pass's matrix products and what they take. */
#include "engine/cpu/forward_cpu.h"

enum {
    PACK_ITEM = 16384,  /* numbers to round that are worth handing out */
    PANEL_OUTPUTS = 32, /* full panels in prefill */
    ROWS_TOGETHER = 2 * KERNELS_PACK_ROWS,
};

/* --- what is multiplied ----------------------------------------------------------------- */

bool cpu_takes_packed(const struct forward *f, const struct matrix *matrix)
{
    return f->kernels->packs && f->kernels->packs(matrix, f->decoding);
}

bool cpu_keeps(const struct forward *f, const struct matrix *matrix)
{
    return f->watcher || !cpu_takes_packed(f, matrix);
}

void cpu_round(const struct forward *f, const struct matrix *matrix, float *rounded, const float *x,
               size_t x_stride, size_t first, size_t count, size_t begin, size_t end)
{
    if (!cpu_takes_packed(f, matrix))
        return;
    for (size_t r = 0; r < count; r += KERNELS_PACK_ROWS)
        f->kernels->pack_pass(rounded, matrix, x + r * x_stride, x_stride, first + r,
                              cpu_smaller(count - r, KERNELS_PACK_ROWS), begin, end);
}

/* Item number = rows x piece of the columns. */
static void pack_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const size_t columns = f->matrix->columns, pieces = cpu_divide_up(columns, f->pack_columns);
    const size_t first = item / pieces * KERNELS_PACK_ROWS;
    const size_t begin = item % pieces * f->pack_columns;
    (void)worker;
    f->kernels->pack(f->packed, f->matrix, f->in, f->in_stride, first,
                     cpu_smaller(f->in_rows - first, KERNELS_PACK_ROWS), begin,
                     cpu_smaller(columns, begin + f->pack_columns));
}

/* A few rows' columns are shared among the threads where that is worth waking them. */
static size_t pack_columns(const struct forward *f, size_t columns, size_t rows)
{
    const size_t threads = pool_threads(f->pool), items = cpu_larger(rows * columns / PACK_ITEM, 1);
    const size_t pieces = rows > KERNELS_PACK_ROWS ? 1 : cpu_smaller(items, threads);
    return cpu_next_multiple(cpu_divide_up(columns, pieces), KERNELS_PACK_COLUMNS);
}

static bool pack_rows(struct forward *f)
{
    const size_t columns = f->matrix->columns;
    f->pack_columns = pack_columns(f, columns, f->in_rows);
    return pool_run(f->pool, pack_item, f,
                    cpu_divide_up(f->in_rows, KERNELS_PACK_ROWS) *
                        cpu_divide_up(columns, f->pack_columns));
}

bool cpu_take(struct forward *f, const struct matrix *matrix, const float *in, size_t in_stride,
              size_t rows, const float *rounded)
{
    const bool packed = cpu_takes_packed(f, matrix), done = f->packs_for == matrix;
    if (f->watcher)
        f->watcher(f->watcher_context, matrix, in, in_stride, rows);
    f->packs_for = NULL;
    f->matrix = matrix;
    f->in = in;
    f->in_stride = in_stride;
    f->in_rows = rows;
    if (!packed)
        return true;
    if (f->decoding && !done && !pack_rows(f))
        return false;
    f->in = f->decoding ? f->packed : rounded;
    return true;
}

/* --- the product --------------------------------------------------------------------------- */

/* In prefill: where the product's rows from `row` on lie. */
static const float *in_from(const struct forward *f, size_t row)
{
    return cpu_takes_packed(f, f->matrix) ? f->kernels->packed_from(f->in, f->matrix, row)
                                          : f->in + row * f->in_stride;
}

void cpu_multiply(const struct forward *f, float *out, size_t out_stride,
                  const struct matrix *matrix, const struct cpu_block *block, bool add,
                  unsigned worker)
{
    float *scratch = f->scratch + worker * f->scratch_floats;
    struct matrix part = *matrix;
    part.data += block->first * part.row_bytes;
    part.outputs = block->count;
    if (f->decoding)
        f->kernels->decode_matmul(out, out_stride, &part, 0, block->count, f->in, f->in_stride,
                                  block->rows, add, scratch);
    else
        f->kernels->prefill_matmul(out, out_stride, &part, 0, block->count, in_from(f, block->row),
                                   f->in_stride, block->rows, add, scratch);
}

static void product_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct cpu_block block = cpu_block_of(f, f->matrix->outputs, item);
    cpu_multiply(f, f->out + block.row * f->out_stride + block.first, f->out_stride, f->matrix,
                 &block, f->add, worker);
}

/* Many outputs share what they read of the activations; every thread gets as many of
 * them, in a few items each, so that one that is held up leaves its share to the others. Where
 * that would not be a full panel each, equal shares count for more. */
size_t cpu_item_outputs(const struct forward *f, size_t outputs)
{
    const size_t threads = pool_threads(f->pool), each = cpu_divide_up(outputs, threads);
    if (!f->decoding && each < CPU_TILE_OUTPUTS)
        return cpu_next_multiple(each, CPU_LINE_OUTPUTS);
    const size_t least = f->decoding ? 4 : 2;
    const size_t items = cpu_larger(cpu_divide_up(each, CPU_TILE_OUTPUTS), least);
    const size_t unit = f->decoding ? CPU_LINE_OUTPUTS : PANEL_OUTPUTS;
    return cpu_next_multiple(cpu_divide_up(each, items), unit);
}

size_t cpu_block_rows(const struct forward *f)
{
    const size_t blocks = f->decoding ? 1 : cpu_divide_up(f->in_rows, f->kernels->product_rows);
    return cpu_next_multiple(cpu_divide_up(f->in_rows, blocks), ROWS_TOGETHER);
}

size_t cpu_share_blocks(struct forward *f, size_t outputs, size_t each)
{
    const size_t blocks = cpu_divide_up(f->in_rows, cpu_block_rows(f));
    f->outputs_per_item = each ? each : cpu_item_outputs(f, outputs * blocks);
    return blocks * cpu_divide_up(outputs, f->outputs_per_item);
}

struct cpu_block cpu_block_of(const struct forward *f, size_t outputs, size_t item)
{
    const size_t pieces = cpu_divide_up(outputs, f->outputs_per_item);
    const size_t first = item % pieces * f->outputs_per_item;
    const size_t rows = cpu_block_rows(f), row = item / pieces * rows;
    return (struct cpu_block){first, cpu_smaller(outputs - first, f->outputs_per_item), row,
                              cpu_smaller(f->in_rows - row, rows)};
}

bool cpu_product(struct forward *f, float *out, size_t out_stride, const struct matrix *matrix,
                 bool add)
{
    f->out = out;
    f->out_stride = out_stride;
    f->add = add;
    return pool_run(f->pool, product_item, f, cpu_share_blocks(f, matrix->outputs, 0));
}
