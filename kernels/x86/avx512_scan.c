/* avx512_scan.c: what runs in order of time: the convolution and the selective
 * scan, 16 channels in the lanes of a vector.
 *
 * The scan keeps 16 channels' states (one vector for each of the N states) in
 * the first-level cache or in registers while the tokens pass. A step is
 *
 *     delta = softplus(delta + bias)
 *     h[n] = 2^(delta a[n] log2 e) h[n] + (delta x) b[n]
 *     y = (sum_n c[n] h[n] + skip x) silu(gate)
 *
 * States decay into subnormals, on which many processors take a slow path: inside
 * the scan they are flushed to zero. */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_weights.h"

enum {
    MAX_STATES = 256,
    FLUSH_SUBNORMALS = 0x8040, /* MXCSR: flush to zero, denormals are zero */
};

/* --- convolution --------------------------------------------------------------- */

static __m512 conv_input(const struct conv *c, size_t t, size_t back, size_t d, __mmask16 mask)
{
    if (t >= back)
        return _mm512_maskz_loadu_ps(mask, c->x + (t - back) * c->x_stride + d);
    return _mm512_maskz_loadu_ps(mask, c->tail + (c->width - 1 + t - back) * c->tail_stride + d);
}

void avx512_conv_silu(const struct conv *c)
{
    for (size_t d = 0; d < c->channels; d += 16) {
        __mmask16 mask = avx512_first(c->channels - d);
        __m512 bias = _mm512_maskz_loadu_ps(mask, c->bias + d);
        for (size_t t = 0; t < c->tokens; t++) {
            __m512 sum = bias;
            for (size_t j = 0; j < c->width; j++) {
                __m512 w = _mm512_maskz_loadu_ps(mask, c->weight + j * c->tail_stride + d);
                sum = _mm512_fmadd_ps(w, conv_input(c, t, c->width - 1 - j, d, mask), sum);
            }
            _mm512_mask_storeu_ps(c->y + t * c->y_stride + d, mask, avx512_silu(sum));
        }
        for (size_t j = 0; c->tokens && j + 1 < c->width; j++)
            _mm512_mask_storeu_ps(c->tail + j * c->tail_stride + d, mask,
                                  conv_input(c, c->tokens - 1, c->width - 2 - j, d, mask));
    }
}

/* --- scan ------------------------------------------------------------------------ */

/* 16 channels from d on, N states (a constant for the common size). */
AVX512_INLINE void scan_channels(const struct scan *s, const size_t N, size_t d, __m512 *h,
                                 __m512 *a)
{
    __mmask16 mask = avx512_first(s->channels - d);
    for (size_t n = 0; n < N; n++) {
        h[n] = _mm512_maskz_loadu_ps(mask, s->h + n * s->h_stride + d);
        a[n] = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, s->a + n * s->h_stride + d),
                             _mm512_set1_ps(0x1.715476p+0f));
    }
    __m512 bias = _mm512_maskz_loadu_ps(mask, s->bias + d);
    __m512 skip = _mm512_maskz_loadu_ps(mask, s->skip + d);
    for (size_t t = 0; t < s->tokens; t++) {
        __m512 raw = _mm512_maskz_loadu_ps(mask, s->delta + t * s->delta_stride + d);
        __m512 delta = avx512_softplus(_mm512_add_ps(raw, bias));
        __m512 x = _mm512_maskz_loadu_ps(mask, s->x + t * s->x_stride + d);
        __m512 gate = _mm512_maskz_loadu_ps(mask, s->gate + t * s->gate_stride + d);
        __m512 dx = _mm512_mul_ps(delta, x), sum = _mm512_setzero_ps();
        const float *b = s->b + t * s->bc_stride, *c = s->c + t * s->bc_stride;
#pragma GCC unroll 4
        for (size_t n = 0; n < N; n++) {
            __m512 decay = avx512_exp2(_mm512_mul_ps(delta, a[n]));
            h[n] = _mm512_fmadd_ps(decay, h[n], _mm512_mul_ps(dx, _mm512_set1_ps(b[n])));
            sum = _mm512_fmadd_ps(_mm512_set1_ps(c[n]), h[n], sum);
        }
        sum = _mm512_mul_ps(_mm512_fmadd_ps(skip, x, sum), avx512_silu(gate));
        _mm512_mask_storeu_ps(s->y + t * s->y_stride + d, mask, sum);
    }
    for (size_t n = 0; n < N; n++)
        _mm512_mask_storeu_ps(s->h + n * s->h_stride + d, mask, h[n]);
}

void avx512_scan(const struct scan *s)
{
    __m512 h[MAX_STATES], a[MAX_STATES];
    unsigned control = _mm_getcsr();
    _mm_setcsr(control | FLUSH_SUBNORMALS);
    for (size_t d = 0; d < s->channels; d += 16) {
        if (s->states == 16)
            scan_channels(s, 16, d, h, a);
        else
            scan_channels(s, s->states, d, h, a);
    }
    _mm_setcsr(control);
}
