/* logits.c: the output matrix, and the surprise of what came. */
#include "engine/cpu/forward_cpu.h"

#include <math.h>
#include <string.h>

enum { OUTPUTS = CPU_TILE_OUTPUTS };

/* One stretch of the vocabulary for all wanted rows: the logits exist only here,
 * a tile at a time, so that their memory does not grow with rows x vocabulary. */
static void logit_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct cpu_block block = cpu_block_of(f, f->vocabulary, item);
    const size_t first = block.first, count = block.count, part = first / OUTPUTS;
    float *tile = cpu_tile(f, worker);
    cpu_multiply(f, tile, CPU_TILE_STRIDE, &f->model->output, &block, false, worker);
    for (size_t i = block.row; i < block.row + block.rows; i++) {
        const struct cpu_logit_row *row = &f->logit_rows[i];
        const float *logits = tile + (i - block.row) * CPU_TILE_STRIDE;
        for (size_t c = 0; c < 2; c++)
            if (row->copies[c])
                memcpy(row->copies[c] + first, logits, count * sizeof *logits);
        if (row->target < 0)
            continue;
        const size_t at = part * f->most_rows + i;
        f->tile_sum[at] = f->kernels->sum_exp(&f->tile_top[at], logits, count);
        if ((size_t)row->target >= first && (size_t)row->target < first + count)
            f->target_logit[i] = logits[(size_t)row->target - first];
    }
}

/* -log2 of the probability behind a logit, from parts of the softmax's sum. */
static float surprise(float logit, const float *tops, const float *sums, size_t parts,
                      size_t stride)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < parts; i++)
        if ((double)tops[i * stride] > top)
            top = (double)tops[i * stride];
    for (size_t i = 0; i < parts; i++)
        sum += (double)sums[i * stride] * exp((double)tops[i * stride] - top);
    return (float)((top + log(sum) - (double)logit) / M_LN2);
}

static void surprise_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const size_t begin = item * CPU_ROW_BLOCK;
    const size_t end = cpu_smaller(begin + CPU_ROW_BLOCK, f->logit_count);
    (void)worker;
    for (size_t i = begin; i < end; i++)
        if (f->logit_rows[i].target >= 0)
            *f->logit_rows[i].bits = surprise(f->target_logit[i], f->tile_top + i, f->tile_sum + i,
                                              cpu_divide_up(f->vocabulary, OUTPUTS), f->most_rows);
}

bool cpu_logits(struct forward *f)
{
    if (f->logit_count == 0)
        return true;
    return cpu_norm(f, f->model->output_norm, &f->model->output, f->logit_rows, f->logit_count) &&
           pool_run(f->pool, logit_item, f, cpu_share_blocks(f, f->vocabulary, OUTPUTS)) &&
           pool_run(f->pool, surprise_item, f, cpu_divide_up(f->logit_count, CPU_ROW_BLOCK));
}

/* Summed in the same parts as in a pass, so that it does not matter where a call begins. */
void cpu_first_bits(struct forward *f, const struct forward_lane *lane)
{
    if (!lane->bits || lane->count == 0)
        return;
    lane->bits[0] = 0;
    if (lane->state->tokens == 0)
        return;
    const float *logits = lane->state->logits;
    const size_t tiles = cpu_divide_up(f->vocabulary, OUTPUTS);
    for (size_t i = 0; i < tiles; i++) {
        const size_t first = i * OUTPUTS;
        f->tile_sum[i * f->most_rows] =
            f->kernels->sum_exp(&f->tile_top[i * f->most_rows], logits + first,
                                cpu_smaller(f->vocabulary - first, OUTPUTS));
    }
    lane->bits[0] =
        surprise(logits[lane->tokens[0]], f->tile_top, f->tile_sum, tiles, f->most_rows);
}
