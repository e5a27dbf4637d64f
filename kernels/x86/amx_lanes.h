/* amx_lanes.h: a template, included by amx_decode.c for 8 and for 16 lanes in a vector.
 * Undefines what it takes. No include guard: it is meant to be read twice. */

/* One output's sums over a chunk of `count` stretches that begins with number `first`. */
AVX512_INLINE void NAME(add_output)(enum blocks_type type, struct work *work, size_t o,
                                    const void *x, size_t first, size_t count)
{
    const size_t groups = VNNI_STRETCH / vnni_group(type);
    float *sums = work->sums + o * VNNI_SLOTS * PLACES;
    FLOATS sum[VNNI_SLOTS];
#pragma GCC unroll 16
    for (size_t slot = 0; slot < VNNI_SLOTS; slot++)
        sum[slot] = LOAD_FLOATS(sums + slot * PLACES);
    for (size_t i = 0; i < count; i++) {
        const struct amx_stretch s = amx_stretch_at(x, PLACES, first + i);
        const int32_t *integers = work->integers + (i * MOST_GROUPS * OUTPUTS + o) * PLACES;
        const float *scales = work->scales[i][o];
#pragma GCC unroll 16
        for (size_t group = 0; group < groups; group++) {
            const size_t block = groups == VNNI_BLOCKS ? group : group / 2;
            const size_t slot = vnni_slot(type, group), low = vnni_minimum_slot(type, group) % 16;
            INTEGERS dots = LOAD_INTEGERS(integers + group * OUTPUTS * PLACES);
            if (vnni_offset(type))
                dots = SUBTRACT(dots, LOAD_INTEGERS(s.offset + group * PLACES));
            FLOATS scale = MULTIPLY(SET(scales[slot]), LOAD_FLOATS(s.scale + block * PLACES));
            sum[slot] = MULTIPLY_ADD(CONVERT(dots), scale, sum[slot]);
            if (vnni_has_minimum(type))
                sum[low] =
                    MULTIPLY_ADD(LOAD_FLOATS(s.sums + block * PLACES), SET(scales[low]), sum[low]);
        }
    }
#pragma GCC unroll 16
    for (size_t slot = 0; slot < VNNI_SLOTS; slot++)
        STORE_FLOATS(sums + slot * PLACES, sum[slot]);
}

/* The tree of avx512_sum(), lane by lane. */
static void NAME(put)(float *y, size_t y_stride, const struct work *work, size_t outputs,
                      size_t lanes, bool add)
{
    _Alignas(64) float totals[OUTPUTS][PLACES];
    for (size_t o = 0; o < outputs; o++) {
        FLOATS v[VNNI_SLOTS];
#pragma GCC unroll 16
        for (size_t i = 0; i < VNNI_SLOTS; i++)
            v[i] = LOAD_FLOATS(work->sums + (o * VNNI_SLOTS + i) * PLACES);
#pragma GCC unroll 4
        for (size_t step = VNNI_SLOTS / 2; step; step /= 2)
#pragma GCC unroll 8
            for (size_t i = 0; i < step; i++)
                v[i] = ADD(v[i], v[i + step]);
        STORE_FLOATS(totals[o], v[0]);
    }
    for (size_t lane = 0; lane < lanes; lane++)
        for (size_t o = 0; o < outputs; o++) {
            float *out = &y[lane * y_stride + o];
            *out = add ? *out + totals[o][lane] : totals[o][lane];
        }
}

/* The last blocks of a row, filled up with blocks of zeros. */
AVX512_INLINE void NAME(unpack_last)(enum blocks_type type, struct work *work, size_t index,
                                     const struct rows *rows, size_t left,
                                     const struct amx_stretch *x)
{
    unsigned char copies[OUTPUTS][8 * 34] = {{0}};
    for (size_t o = 0; o < rows->outputs; o++)
        memcpy(copies[o], rows->data + o * rows->row_bytes, left);
    const struct rows filled = {copies[0], sizeof copies[0], rows->outputs};
    unpack(type, work, index, &filled, x, PLACES);
}

AVX512_INLINE void NAME(outputs_of)(enum blocks_type type, float *y, size_t y_stride,
                                    const struct matrix *w, size_t first, size_t count,
                                    const void *x, size_t lanes, bool add, struct work *work)
{
    const size_t bytes = vnni_stretch_bytes(type), whole = w->columns / VNNI_STRETCH;
    const size_t left = w->row_bytes - whole * bytes, stretches = whole + (left > 0);
    amx_configure((unsigned)vnni_group(type), (unsigned)vnni_group(type) / 4, 4 * PLACES);
    for (size_t j = first; j < first + count; j += OUTPUTS) {
        const size_t outputs = first + count - j < OUTPUTS ? first + count - j : OUTPUTS;
        struct rows rows = {w->data + j * w->row_bytes, w->row_bytes, outputs};
        memset(work->sums, 0, OUTPUTS * VNNI_SLOTS * PLACES * sizeof *work->sums);
        for (size_t i = 0; i < stretches; i += CHUNK) {
            const size_t in_chunk = stretches - i < CHUNK ? stretches - i : CHUNK;
            for (size_t n = 0; n < in_chunk; n++, rows.data += bytes) {
                const struct amx_stretch s = amx_stretch_at(x, PLACES, i + n);
                if (i + n < whole)
                    unpack(type, work, n, &rows, &s, PLACES);
                else
                    NAME(unpack_last)(type, work, n, &rows, left, &s);
            }
            for (size_t o = 0; o < outputs; o++)
                NAME(add_output)(type, work, o, x, i, in_chunk);
        }
        NAME(put)(y + j, y_stride, work, outputs, lanes, add);
    }
    _tile_release();
}

static void NAME(decode)(float *y, size_t y_stride, const struct matrix *w, size_t first,
                         size_t count, const void *x, size_t lanes, bool add, struct work *work)
{
    switch (w->type) {
    case BLOCKS_Q4_0:
        NAME(outputs_of)(BLOCKS_Q4_0, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q5_0:
        NAME(outputs_of)(BLOCKS_Q5_0, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q5_1:
        NAME(outputs_of)(BLOCKS_Q5_1, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q8_0:
        NAME(outputs_of)(BLOCKS_Q8_0, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q4_K:
        NAME(outputs_of)(BLOCKS_Q4_K, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q5_K:
        NAME(outputs_of)(BLOCKS_Q5_K, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q6_K:
        NAME(outputs_of)(BLOCKS_Q6_K, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    default:
        break;
    }
}

#undef PLACES
#undef NAME
#undef FLOATS
#undef INTEGERS
#undef LOAD_FLOATS
#undef STORE_FLOATS
#undef LOAD_INTEGERS
#undef SUBTRACT
#undef CONVERT
#undef SET
#undef MULTIPLY
#undef MULTIPLY_ADD
#undef ADD
