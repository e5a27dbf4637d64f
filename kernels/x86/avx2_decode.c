/* avx2_decode.c: the product for one generated token in each of several lanes.
 *
 * Bound by reading and unpacking the weights. Packed weights are not spread out from
 * bytes to words: each becomes a float where it stands in its word (avx2_weights.h, "in
 * place"), and the activations of a chunk of 32 columns are laid out once a call to
 * suit, x_j being columns j, 4 + j, ... 28 + j. Then, for each output and lane,
 *
 *     with mins      w_j = scale 2^(-8 j) q_j - min         (the weight's own bits)
 *                    sum = sum + w0 x0 + w1 x1 + w2 x2 + w3 x3
 *     without        group = q0 x0 + q1 x1 + q2 x2 + q3 x3  (x times 2^-24, q 2^24)
 *                    sum = sum + scale group
 *
 * A power of two costs no bits, but of activations below 2^-102, which nothing sees.
 *
 * A chunk is unpacked once for up to eight lanes, or once each for four outputs of one
 * lane. An output's sum is one vector of 8 partial sums over the chunks in order,
 * folded at the end by one fixed tree, so that a lane's bits do not depend on its
 * neighbours. */
#include "kernels/x86/avx2.h"
#include "kernels/x86/avx2_weights.h"
#include "kernels/x86/by_type.h"

enum { OUTPUTS = 4, LANES = 8 };

/* The next outputs' rows: four short streams in one page are not what the
 * processor's own prefetcher looks for. Reading beyond the matrix is harmless. */
AVX2_INLINE void prefetch(const unsigned char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)at + i, _MM_HINT_T0);
}

/* --- activations ------------------------------------------------------------------- */

/* x_j[i] = x[4 i + j] */
AVX2_INLINE void lay_chunk(__m256 out[4], const float *x)
{
    __m256 r[4], t[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) /* rows i and 4 + i of 8 rows x 4 columns */
        r[i] = _mm256_set_m128(_mm_loadu_ps(x + 16 + 4 * i), _mm_loadu_ps(x + 4 * i));
    t[0] = _mm256_unpacklo_ps(r[0], r[1]);
    t[1] = _mm256_unpackhi_ps(r[0], r[1]);
    t[2] = _mm256_unpacklo_ps(r[2], r[3]);
    t[3] = _mm256_unpackhi_ps(r[2], r[3]);
    out[0] = _mm256_shuffle_ps(t[0], t[2], _MM_SHUFFLE(1, 0, 1, 0));
    out[1] = _mm256_shuffle_ps(t[0], t[2], _MM_SHUFFLE(3, 2, 3, 2));
    out[2] = _mm256_shuffle_ps(t[1], t[3], _MM_SHUFFLE(1, 0, 1, 0));
    out[3] = _mm256_shuffle_ps(t[1], t[3], _MM_SHUFFLE(3, 2, 3, 2));
}

static void lay_out(float *laid, enum blocks_type type, const float *x, size_t columns)
{
    const __m256 place = _mm256_set1_ps(avx2_has_min(type) ? 1 : 0x1p-24f);
    for (size_t k = 0; k < columns; k += 32) {
        __m256 v[4];
        lay_chunk(v, x + k);
        for (int j = 0; j < 4; j++)
            _mm256_storeu_ps(laid + k + 8 * j, _mm256_mul_ps(v[j], place));
    }
}

/* --- products ---------------------------------------------------------------------- */

/* One unpacked chunk onto the sum of one lane; scale: of its quants, where they are not
 * the weights. */
AVX2_INLINE __m256 add_chunk(bool weights, __m256 sum, const __m256 q[4], __m256 scale,
                             const float *x)
{
    __m256 x0 = _mm256_loadu_ps(x), x1 = _mm256_loadu_ps(x + 8);
    __m256 x2 = _mm256_loadu_ps(x + 16), x3 = _mm256_loadu_ps(x + 24);
    __m256 group = _mm256_mul_ps(q[0], x0);
    group = _mm256_fmadd_ps(q[1], x1, group);
    group = _mm256_fmadd_ps(q[2], x2, group);
    group = _mm256_fmadd_ps(q[3], x3, group);
    return weights ? _mm256_add_ps(sum, group) : _mm256_fmadd_ps(scale, group, sum);
}

/* The scales of the block at hand. Not a local of the loop: the compiler would copy such
 * an array float by float before it broadcasts from it. */
struct block {
    struct avx2_scales scales;
    struct avx2_places places;
};

struct lanes {
    float *y;       /* of the first output */
    const float *x; /* [.][x_stride]: for the plain types as given, else laid out */
    size_t y_stride, x_stride, columns;
    bool add;
    struct block *blocks; /* [OUTPUTS] */
};

/* Weights, or quants and their scale. */
AVX2_INLINE void unpack(enum blocks_type type, const unsigned char *bytes, int chunk,
                        const struct block *block, __m256 q[4], __m256 *scale)
{
    *scale = _mm256_setzero_ps();
    if (avx2_is_plain(type)) {
        avx2_quants(type, bytes, chunk, q);
    } else if (avx2_has_min(type)) {
        avx2_min_places(type, bytes, chunk, &block->scales, &block->places, q);
    } else {
        avx2_signed_places(type, bytes, chunk, q);
        *scale = avx2_chunk_scale(type, &block->scales, chunk);
    }
}

/* R outputs whose rows begin at `row`, row_bytes apart, for L lanes. */
AVX2_INLINE void outputs(enum blocks_type type, const size_t R, const size_t L,
                         const struct lanes *given, size_t j, const unsigned char *row,
                         size_t row_bytes)
{
    const struct lanes own = *given, *lanes = &own; /* so that no store may change it */
    const size_t chunks = (size_t)avx2_block_chunks(type), block_columns = 32 * chunks;
    const size_t columns = lanes->columns;
    struct block *blocks = lanes->blocks;
    const bool weights = avx2_is_plain(type) || avx2_has_min(type);
    __m256 sum[OUTPUTS][LANES];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++)
#pragma GCC unroll 8
        for (size_t lane = 0; lane < L; lane++)
            sum[r][lane] = _mm256_setzero_ps();
    size_t k = 0;
    for (; k + block_columns <= columns; k += block_columns, row += avx2_block_bytes(type)) {
#pragma GCC unroll 4
        for (size_t r = 0; r < R; r++) {
            prefetch(row + (r + R) * row_bytes, avx2_block_bytes(type));
            avx2_scales(type, row + r * row_bytes, &blocks[r].scales);
            if (avx2_has_min(type))
                avx2_place_scales(type, &blocks[r].scales, &blocks[r].places);
        }
        /* From memory one load broadcasts; what the compiler remembers of the stores it
         * would take apart with two shuffles a number. */
        __asm__ volatile("" : "+m"(*(struct block(*)[OUTPUTS])blocks));
#pragma GCC unroll 8
        for (int chunk = 0; chunk < (int)chunks; chunk++) {
            const float *x = lanes->x + k + 32 * (size_t)chunk;
#pragma GCC unroll 4
            for (size_t r = 0; r < R; r++) {
                __m256 q[4], scale;
                unpack(type, row + r * row_bytes, chunk, &blocks[r], q, &scale);
#pragma GCC unroll 8
                for (size_t lane = 0; lane < L; lane++)
                    sum[r][lane] =
                        add_chunk(weights, sum[r][lane], q, scale, x + lane * lanes->x_stride);
            }
        }
    }
    for (const size_t bytes = avx2_block_bytes(type) / 32; avx2_is_plain(type) && k < columns;
         k += 8, row += 8 * bytes) {
        size_t left = columns - k;
        for (size_t r = 0; r < R; r++) {
            const unsigned char *at = row + r * row_bytes;
            __m256 w = left >= 8 ? avx2_plain(type, at) : avx2_ragged(type, at, left);
            for (size_t lane = 0; lane < L; lane++)
                sum[r][lane] = _mm256_fmadd_ps(
                    w, avx2_load(lanes->x + lane * lanes->x_stride + k, left), sum[r][lane]);
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++)
#pragma GCC unroll 8
        for (size_t lane = 0; lane < L; lane++) {
            float *out = &lanes->y[lane * lanes->y_stride + j + r], total = avx2_sum(sum[r][lane]);
            *out = lanes->add ? *out + total : total;
        }
}

/* One lane, four outputs at a time; or L lanes, one output at a time. */
AVX2_INLINE void all_outputs(enum blocks_type type, const size_t L, const struct lanes *lanes,
                             const struct matrix *w, size_t first, size_t count)
{
    const size_t end = first + count;
    size_t j = first;
    for (; L == 1 && j + OUTPUTS <= end; j += OUTPUTS)
        outputs(type, OUTPUTS, 1, lanes, j, w->data + j * w->row_bytes, w->row_bytes);
    for (; j < end; j++)
        outputs(type, 1, L, lanes, j, w->data + j * w->row_bytes, w->row_bytes);
}

AVX2_INLINE void some_lanes(enum blocks_type type, size_t L, const struct lanes *lanes,
                            const struct matrix *w, size_t first, size_t count)
{
    if (L == 8)
        all_outputs(type, 8, lanes, w, first, count);
    else if (L == 4)
        all_outputs(type, 4, lanes, w, first, count);
    else if (L == 2)
        all_outputs(type, 2, lanes, w, first, count);
    else
        all_outputs(type, 1, lanes, w, first, count);
}

__attribute__((noinline)) static void typed(size_t L, const struct lanes *lanes,
                                            const struct matrix *w, size_t first, size_t count)
{
    WITH_TYPE(w->type, some_lanes, L, lanes, w, first, count);
}

/* Lays the lanes out as this type wants them, and works up to eight at a time. */
void avx2_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    const bool plain = avx2_is_plain(w->type);
    struct block blocks[OUTPUTS];
    struct lanes lanes = {.y = y,
                          .x = x,
                          .y_stride = y_stride,
                          .x_stride = x_stride,
                          .columns = w->columns,
                          .add = add,
                          .blocks = blocks};
    for (size_t L; rows; rows -= L, x += L * x_stride, lanes.y += L * y_stride) {
        L = rows >= 8 ? 8 : rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
        lanes.x = x;
        if (!plain) {
            lanes.x_stride = w->columns;
            for (size_t lane = 0; lane < L; lane++)
                lay_out(scratch + lane * lanes.x_stride, w->type, x + lane * x_stride, w->columns);
            lanes.x = scratch;
        }
        typed(L, &lanes, w, first, count);
    }
}
