/* avx2_scan.c: what runs in order of time: the convolution and the selective
 * scan, 8 channels in the lanes of a vector.
 *
 * The scan keeps 8 channels' states (one vector for each of the N states) in the
 * first-level cache while the tokens pass. A step is
 *
 *     delta = softplus(delta + bias)
 *     h[n] = 2^(delta a[n] log2 e) h[n] + (delta x) b[n]
 *     y = (sum_n c[n] h[n] + skip x) silu(gate)
 *
 * States decay into subnormals, on which many processors take a slow path: inside
 * the scan they are flushed to zero. */
#include "kernels/x86/avx2.h"
#include "kernels/x86/avx2_math.h"

enum {
    MAX_STATES = 256,
    TOGETHER = 8,              /* tokens */
    FLUSH_SUBNORMALS = 0x8040, /* MXCSR: flush to zero, denormals are zero */
};

/* --- convolution --------------------------------------------------------------- */

AVX2_INLINE __m256 conv_input(const struct conv *c, size_t t, size_t back, size_t d, size_t count)
{
    const float *at = t >= back ? c->x + (t - back) * c->x_stride
                                : c->tail + (c->width - 1 + t - back) * c->tail_stride;
    return avx2_load(at + d, count);
}

void avx2_conv_silu(const struct conv *c)
{
    for (size_t d = 0; d < c->channels; d += 8) {
        const size_t count = c->channels - d;
        __m256 bias = avx2_load(c->bias + d, count);
        for (size_t t = 0; t < c->tokens; t++) {
            __m256 sum = bias;
            for (size_t j = 0; j < c->width; j++) {
                __m256 w = avx2_load(c->weight + j * c->tail_stride + d, count);
                sum = _mm256_fmadd_ps(w, conv_input(c, t, c->width - 1 - j, d, count), sum);
            }
            avx2_store(c->y + t * c->y_stride + d, count, avx2_silu(sum));
        }
        for (size_t j = 0; c->tokens && j + 1 < c->width; j++)
            avx2_store(c->tail + j * c->tail_stride + d, count,
                       conv_input(c, c->tokens - 1, c->width - 2 - j, d, count));
    }
}

/* --- scan ------------------------------------------------------------------------ */

/* What of a token does not wait for its states. Several tokens' are computed together: one
 * token's steps fill the processor's window, and each would wait for the chain that makes
 * its delta. */
struct begun {
    __m256 delta, dx, x, gate;
};

AVX2_INLINE struct begun begin(const struct scan *s, size_t t, size_t d, size_t count, __m256 bias)
{
    /* The rows of the next ones lie pages apart, where no prefetcher looks. */
    const size_t later = t + TOGETHER;
    _mm_prefetch((const char *)(s->delta + later * s->delta_stride + d), _MM_HINT_T0);
    _mm_prefetch((const char *)(s->x + later * s->x_stride + d), _MM_HINT_T0);
    _mm_prefetch((const char *)(s->gate + later * s->gate_stride + d), _MM_HINT_T0);
    __m256 raw = avx2_load(s->delta + t * s->delta_stride + d, count);
    struct begun begun;
    begun.delta = avx2_softplus(_mm256_add_ps(raw, bias));
    begun.x = avx2_load(s->x + t * s->x_stride + d, count);
    begun.dx = _mm256_mul_ps(begun.delta, begun.x);
    begun.gate = avx2_silu(avx2_load(s->gate + t * s->gate_stride + d, count));
    return begun;
}

/* `count` channels (8 of them, or fewer at the end) from d on, N states (a constant
 * for the common size). */
AVX2_INLINE void scan_channels(const struct scan *s, const size_t N, size_t d, size_t count,
                               __m256 *h, __m256 *a)
{
    for (size_t n = 0; n < N; n++) {
        _mm_prefetch((const char *)(s->h + n * s->h_stride + d + 32), _MM_HINT_T0);
        _mm_prefetch((const char *)(s->a + n * s->h_stride + d + 32), _MM_HINT_T0);
        h[n] = avx2_load(s->h + n * s->h_stride + d, count);
        a[n] = _mm256_mul_ps(avx2_load(s->a + n * s->h_stride + d, count),
                             _mm256_set1_ps(0x1.715476p+0f));
    }
    __m256 bias = avx2_load(s->bias + d, count), skip = avx2_load(s->skip + d, count);
    for (size_t t = 0; t < s->tokens; t += TOGETHER) {
        struct begun begun[TOGETHER];
        const size_t tokens = s->tokens - t < TOGETHER ? s->tokens - t : TOGETHER;
        for (size_t i = 0; i < tokens; i++)
            begun[i] = begin(s, t + i, d, count, bias);
        for (size_t i = 0; i < tokens; i++) {
            const float *b = s->b + (t + i) * s->bc_stride, *c = s->c + (t + i) * s->bc_stride;
            __m256 delta = begun[i].delta, dx = begun[i].dx, sum = _mm256_setzero_ps();
#pragma GCC unroll 4
            for (size_t n = 0; n < N; n++) {
                __m256 decay = avx2_exp2(_mm256_mul_ps(delta, a[n]));
                h[n] = _mm256_fmadd_ps(decay, h[n], _mm256_mul_ps(dx, _mm256_broadcast_ss(b + n)));
                sum = _mm256_fmadd_ps(_mm256_broadcast_ss(c + n), h[n], sum);
            }
            sum = _mm256_mul_ps(_mm256_fmadd_ps(skip, begun[i].x, sum), begun[i].gate);
            avx2_store(s->y + (t + i) * s->y_stride + d, count, sum);
        }
    }
    for (size_t n = 0; n < N; n++)
        avx2_store(s->h + n * s->h_stride + d, count, h[n]);
}

void avx2_scan(const struct scan *s)
{
    __m256 h[MAX_STATES], a[MAX_STATES];
    unsigned control = _mm_getcsr();
    _mm_setcsr(control | FLUSH_SUBNORMALS);
    for (size_t d = 0; d < s->channels; d += 8) {
        if (s->states == 16 && s->channels - d >= 8)
            scan_channels(s, 16, d, 8, h, a);
        else
            scan_channels(s, s->states, d, s->channels - d, h, a);
    }
    _mm_setcsr(control);
}
