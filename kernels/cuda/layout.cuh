/* layout.cuh: where a token's kernels find things, in the device's memory and in a block's shared
 * memory, and how products are cut over blocks: the host's part; private to token.cu. */
#ifndef TIDEMARK_KERNELS_CUDA_LAYOUT_CUH
#define TIDEMARK_KERNELS_CUDA_LAYOUT_CUH

#include "kernels/cuda/one.cuh"

#include <cstdlib>

struct token {
    struct token_model model;
    struct token_work work;
    void *memory;
    struct lanes *lanes; /* what runs many lanes, where it can */
    int blocks, shared_bytes;
    bool one;               /* one lane has its own kernel */
    uint32_t epoch;         /* the last flag that a word may have */
    uint32_t slot_bytes[3]; /* with few lanes, with still fewer, with many */
};

static uint32_t power_from(uint32_t value)
{
    uint32_t power = 1;
    while (power < value)
        power *= 2;
    return power;
}

/* Warps that have no tile of their own share one, as far as its columns go. */
static uint32_t slice_shift_of(uint32_t tiles, uint32_t units)
{
    uint32_t shift = 0;
    while ((2u << shift) * power_from(tiles) <= WARPS && 1u << shift < units)
        shift++;
    return shift;
}

static struct product_shape shape_of(uint32_t outputs, uint32_t columns, uint32_t blocks)
{
    struct product_shape p = {};
    p.outputs = outputs;
    p.tiles = divided_up(outputs, 16);
    p.units = p.cut = divided_up(columns, 256);
    p.cuts = 1;
    p.each = p.pitch = divided_up(p.tiles, blocks);
    p.slice_shift[0] = p.slice_shift[1] = slice_shift_of(p.each < WARPS ? p.each : WARPS, p.units);
    return p;
}

/* `in` makes channels and gates, in three pieces; in one where a tile has rows of both. A
 * block's gates are those of its channels. */
static void shapes_of_in(struct product_shape shapes[STAGES], uint32_t inner, uint32_t columns,
                         uint32_t blocks)
{
    struct product_shape p = shape_of(inner % 16 ? 2 * inner : inner, columns, blocks);
    const uint32_t each = p.each, half = inner % 16 ? 0 : (each + 1) / 2;
    p.outputs = 2 * inner;
    shapes[STAGE_IN] = shapes[STAGE_GATE] = shapes[STAGE_GATE_REST] = p;
    for (int i = 0; i < 2; i++) {
        struct product_shape *gate = &shapes[i ? STAGE_GATE_REST : STAGE_GATE];
        gate->base = p.tiles;
        gate->each = inner % 16 ? 0 : i ? each - half : half;
        gate->offset = i ? half : 0;
        gate->slice_shift[0] = slice_shift_of(gate->each, p.units);
    }
    /* Plain weights keep memory busy from fewer warps. */
    for (int i = STAGE_IN; i <= STAGE_GATE_REST; i++)
        shapes[i].slice_shift[1] = 0;
}

/* `x` has few rows: all blocks get some of them, and some of the columns. */
static struct product_shape shape_of_x(uint32_t outputs, uint32_t columns, uint32_t blocks)
{
    struct product_shape p = shape_of(outputs, columns, blocks);
    p.cut = power_from(divided_up(p.units, p.tiles < blocks ? blocks / p.tiles : 1));
    p.cuts = divided_up(p.units, p.cut);
    p.each = p.pitch = divided_up(p.tiles * p.cuts, blocks);
    p.slice_shift[0] = p.slice_shift[1] = slice_shift_of(1, p.cut);
    return p;
}

static size_t lay_out(struct token *t, uint8_t *base)
{
    struct token_work *w = &t->work;
    const struct token_model *m = &t->model;
    const uint32_t blocks = (uint32_t)t->blocks, inner = m->shape.inner;
    size_t used = 0;
    auto take = [&](size_t bytes) {
        uint8_t *at = base ? base + used : NULL;
        used += (bytes + 255) / 256 * 256;
        return (void *)at;
    };
    shapes_of_in(w->shapes, inner, m->embedding, blocks);
    w->shapes[STAGE_X] = shape_of_x(m->shape.rank + 2 * m->shape.states, inner, blocks);
    w->shapes[STAGE_DT] = shape_of(inner, m->shape.rank, blocks);
    w->shapes[STAGE_OUT] = shape_of(m->embedding, inner, blocks);
    w->shapes[STAGE_LOGITS] = shape_of(m->vocabulary, m->embedding, blocks);
    const struct product_shape *x = &w->shapes[STAGE_X];
    w->embedding_stride = device_round_up(m->embedding, 256);
    w->inner_stride = device_round_up(inner, 256);
    w->mixer_stride = device_round_up(m->shape.rank + 2 * m->shape.states, 16);
    const size_t embedding = (size_t)w->embedding_stride / 256 * PIECE;
    const size_t wide = (size_t)w->inner_stride / 256 * PIECE;
    w->barrier = (uint32_t *)take(256);
    w->x = (float *)take((size_t)TOKEN_LANES * w->embedding_stride * 4);
    w->flagged_x = (uint64_t *)take((size_t)w->embedding_stride * 8);
    w->flagged_xc = (uint64_t *)take((size_t)w->inner_stride / 2 * 8);
    w->flagged_parts = (uint64_t *)take((size_t)x->cuts * w->mixer_stride * 8);
    w->flagged_y = (uint64_t *)take((size_t)w->inner_stride / 2 * 8);
    w->z = (float *)take((size_t)TOKEN_LANES * w->inner_stride * 4);
    w->part = (float *)take((size_t)x->cuts * TOKEN_LANES * w->mixer_stride * 4);
    w->bc = (float *)take((size_t)TOKEN_LANES * 32 * 4);
    w->logits = (float *)take((size_t)TOKEN_LANES * m->vocabulary * 4);
    w->u = (uint8_t *)take(embedding);
    w->xc = (uint8_t *)take(wide);
    w->dt = (uint8_t *)take((size_t)divided_up(m->shape.rank, 256) * PIECE);
    w->y = (uint8_t *)take(wide);
    w->integers = (uint8_t *)take(wide);
    return used;
}

/* From `used` on in a block's shared memory. */
struct taker {
    uint32_t used;

    uint32_t operator()(size_t bytes)
    {
        const uint32_t at = device_round_up(used, 128);
        used = at + (uint32_t)bytes;
        return at;
    }
};

/* The ring gets what is left. */
static void place_ring(struct token_places *p, const struct token *t, struct taker &take, bool few)
{
    const uint32_t room = (uint32_t)t->shared_bytes;
    p->matrices = take((t->model.layer_count * 4 + 1) * sizeof(struct shared_matrix));
    p->ring = take(0);
    const uint32_t left = p->ring < room ? room - p->ring : 0;
    p->plain_shift = few && left / t->slot_bytes[1] >= 4 ? 2 : 1;
    p->slot_bytes = t->slot_bytes[!few ? 2 : p->plain_shift - 1];
    p->slots = left / p->slot_bytes;
    if (p->slots > MOST_SLOTS)
        p->slots = MOST_SLOTS;
    p->ahead = divided_up(AHEAD, p->slot_bytes);
    if (p->ahead < 2)
        p->ahead = 2;
    if (p->ahead > p->slots)
        p->ahead = p->slots;
    p->inverse = p->slots < 2 ? 0 : (uint32_t)(((1ull << 32) + p->slots - 1) / p->slots);
    p->bytes = p->ring + p->slots * p->slot_bytes;
}

static void place_one(struct token_places *p, const struct token *t)
{
    const struct product_shape *shapes = t->work.shapes;
    const uint32_t in = shapes[STAGE_IN].units, out = shapes[STAGE_OUT].units;
    struct taker take = {sizeof(token_shared<ONE>)};
    p->activations = take((size_t)(in > out ? in : out) * RECORD);
    p->x_records = take((size_t)shapes[STAGE_X].cut * RECORD);
    p->dt_records = take((size_t)shapes[STAGE_DT].units * RECORD);
    p->parts = take(ONE_PARTS * ONE_SUMS * 4);
    p->aside = take((size_t)(ONE_SUMS + t->work.mixer_stride) * 4);
    p->plan = take((t->model.layer_count * STAGES_OF_LAYER + 1) * sizeof(struct one_step));
    p->own = take((size_t)(shapes[STAGE_IN].each * 2 + shapes[STAGE_OUT].each) * 16 * 4);
    p->stash = take((ONE_SCAN + ONE_CONV) * STASH * 4);
    place_ring(p, t, take, true);
}

/* False when fewer than two slots are left for the ring. */
static bool place(struct token_places *p, const struct token *t, uint32_t lanes)
{
    const bool few = lanes <= FEW;
    *p = {};
    if (t->one && lanes == ONE) {
        place_one(p, t);
        return p->slots >= 2;
    }
    struct taker take = {few ? (uint32_t)sizeof(token_shared<FEW>)
                             : (uint32_t)sizeof(token_shared<TOKEN_LANES>)};
    uint32_t units = 0, values = t->work.mixer_stride * 4;
    for (int i = 0; i < STAGES; i++)
        if (t->work.shapes[i].cut > units)
            units = t->work.shapes[i].cut;
    /* `x`'s lie behind `in`'s. */
    p->x_records = few ? t->work.shapes[STAGE_IN].units * RECORD : 0;
    if (t->work.shapes[STAGE_IN].units + t->work.shapes[STAGE_X].cut > units)
        units = t->work.shapes[STAGE_IN].units + t->work.shapes[STAGE_X].cut;
    p->pitch = few ? units * RECORD + (units % 2 ? 0 : 64) : RECORD;
    p->activations = take(few ? (size_t)lanes * p->pitch : (size_t)PIECES * PIECE);
    if (few) {
        size_t parts = (size_t)2 * WARPS * 16 * 4 * lanes;
        p->parts = take(parts > values ? parts : values);
    } else { /* while the pieces are not needed */
        p->parts = p->activations;
    }
    p->stash = take(few ? STASH * STASH_EACH * 4 : 0);
    place_ring(p, t, take, few);
    return p->slots >= 2 && (few || values <= PIECE);
}

static_assert(WARPS * 16 * SUMS_PITCH * 4 <= PIECE, "many lanes' sums lie in the first piece");

/* A turn of a matrix: bytes of a tile, and units as a power of 2. */
struct matrix_turn {
    bool plain;
    uint32_t bytes, shift;
};

template <int LANES>
static struct matrix_turn turn_of(const struct device_matrix *m, uint32_t plain_shift)
{
    const bool plain = m->form != DEVICE_PACKED;
    const uint32_t bytes = tile_bytes_of(plain ? (uint32_t)FRAGMENT_PLAIN : (uint32_t)m->type);
    return {plain, bytes, turn_shift<LANES>(plain, bytes, plain_shift)};
}

template <int LANES> static uint32_t turn_bytes(const struct device_matrix *m, uint32_t plain_shift)
{
    const struct matrix_turn turn = turn_of<LANES>(m, plain_shift);
    return device_round_up(turn.plain ? 16 * row_pitch(turn.shift) : turn.bytes << turn.shift, 128);
}

static void make_room(struct token *t, const struct device_matrix *m)
{
    const uint32_t all[3] = {turn_bytes<FEW>(m, 1), turn_bytes<FEW>(m, 2),
                             turn_bytes<TOKEN_LANES>(m, 0)};
    for (int i = 0; i < 3; i++)
        if (all[i] > t->slot_bytes[i])
            t->slot_bytes[i] = all[i];
}

/* Turns that a block's share of a product takes at most. */
static uint32_t turns_of(const struct product_shape *p, const struct device_matrix *m,
                         uint32_t plain_shift)
{
    return p->each * divided_up(p->cut, 1u << turn_of<ONE>(m, plain_shift).shift);
}

/* The warps aside take the slices of a round one after the other, each through all of its turns:
 * these must be in the ring together, unless each slice is one unit. */
static bool is_aside(const struct token *t, const struct device_matrix *m,
                     const struct token_places *places)
{
    const struct product_shape *p = &t->work.shapes[STAGE_X];
    const struct matrix_turn turn = turn_of<ONE>(m, places->plain_shift);
    const uint32_t slices = 1u << p->slice_shift[turn.plain];
    const uint32_t group = p->cuts > 1 ? 1 : WARPS / slices;
    const uint32_t tiles = p->each < group ? p->each : group;
    return (tiles == 1 && p->cut <= slices) ||
           tiles * divided_up(p->cut, 1u << turn.shift) <= places->slots;
}

/* Whether one lane's kernel can run the model: rows of channels and gates share no tile, there is
 * room, and between what the warps aside know to be over, a layer's beginning, and the end of
 * their own turns there are no more turns than the ring has barriers (ring.cuh). */
static bool is_one(const struct token *t, const struct token_layer *layers)
{
    struct token_places p = {};
    const struct product_shape *shapes = t->work.shapes;
    if (t->model.shape.inner % 16)
        return false;
    place_one(&p, t);
    bool ok = p.slots >= 2;
    for (uint32_t i = 0; ok && i < t->model.layer_count; i++)
        ok = turns_of(&shapes[STAGE_IN], &layers[i].in, p.plain_shift) +
                     turns_of(&shapes[STAGE_GATE], &layers[i].in, p.plain_shift) +
                     turns_of(&shapes[STAGE_X], &layers[i].x, p.plain_shift) <=
                 FULLS &&
             is_aside(t, &layers[i].x, &p);
    return ok;
}

/* Slots as large as the largest turn of the model's matrices; and whether there is `one`. */
static bool size_slots(struct token *t)
{
    const size_t bytes = t->model.layer_count * sizeof(struct token_layer);
    struct token_layer *layers = (struct token_layer *)malloc(bytes);
    bool ok =
        layers && cudaMemcpy(layers, t->model.layers, bytes, cudaMemcpyDeviceToHost) == cudaSuccess;
    make_room(t, &t->model.output);
    for (uint32_t i = 0; ok && i < t->model.layer_count; i++) {
        make_room(t, &layers[i].in);
        make_room(t, &layers[i].x);
        make_room(t, &layers[i].dt);
        make_room(t, &layers[i].out);
    }
    t->one = ok && is_one(t, layers);
    free(layers);
    return ok;
}

#endif
