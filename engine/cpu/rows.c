/* rows.c: steps whose rows are independent of each other. */
#include "engine/cpu/forward_cpu.h"

static size_t block_end(size_t item, size_t rows)
{
    return cpu_smaller((item + 1) * CPU_ROW_BLOCK, rows);
}

static bool over_rows(struct forward *f, pool_work *work, size_t rows)
{
    return pool_run(f->pool, work, f, cpu_divide_up(rows, CPU_ROW_BLOCK));
}

static void embed_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    (void)worker;
    for (size_t r = item * CPU_ROW_BLOCK; r < block_end(item, f->rows); r++)
        f->kernels->row(f->x + r * f->embedding, &f->model->embedding, (size_t)*f->tokens[r]);
}

bool cpu_embed(struct forward *f)
{
    return over_rows(f, embed_item, f->rows);
}

/* In prefill, rows that nobody wants but rounded stay in the thread's own memory. */
static void norm_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct model_shape *shape = &f->model->shape;
    const size_t first = item * CPU_ROW_BLOCK, end = block_end(item, f->norm.rows);
    const bool kept = f->decoding || cpu_keeps(f, f->norm.next);
    float *u = kept ? f->u + first * f->embedding : cpu_tile(f, worker);
    for (size_t r = first; r < end; r++) {
        const size_t row = f->norm.of ? f->norm.of[r].row : r;
        f->kernels->rms_norm(u + (r - first) * f->embedding, f->x + row * f->embedding,
                             f->norm.weight, shape->epsilon, shape->embedding);
    }
    if (!f->decoding)
        cpu_round(f, f->norm.next, f->rounded[0], u, f->embedding, first, end - first, 0,
                  shape->embedding);
}

bool cpu_norm(struct forward *f, const float *weight, const struct matrix *next,
              const struct cpu_logit_row *of, size_t rows)
{
    f->norm.weight = weight;
    f->norm.next = next;
    f->norm.of = of;
    f->norm.rows = rows;
    return over_rows(f, norm_item, rows) &&
           cpu_take(f, next, f->u, f->embedding, rows, f->rounded[0]);
}

static void mixer_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct model_shape *shape = &f->model->shape;
    const size_t first = item * CPU_ROW_BLOCK, end = block_end(item, f->rows);
    (void)worker;
    for (size_t r = first; shape->mixer_norm && r < end; r++) {
        float *dt = f->dbc + r * f->mixer, *b = dt + shape->rank, *c = b + shape->states;
        f->kernels->rms_norm(dt, dt, NULL, shape->mixer_epsilon, shape->rank);
        f->kernels->rms_norm(b, b, NULL, shape->mixer_epsilon, shape->states);
        f->kernels->rms_norm(c, c, NULL, shape->mixer_epsilon, shape->states);
    }
    if (!f->decoding)
        cpu_round(f, &f->layer->dt, f->rounded[0], f->dbc + first * f->mixer, f->mixer, first,
                  end - first, 0, shape->rank);
}

bool cpu_mixer_norms(struct forward *f)
{
    const bool rounds = !f->decoding && cpu_takes_packed(f, &f->layer->dt);
    if (!f->model->shape.mixer_norm && !rounds)
        return true;
    return over_rows(f, mixer_item, f->rows);
}
