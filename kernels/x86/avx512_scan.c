/* avx512_scan.c: what runs in order of time: the convolution and the selective
 * scan, 16 channels in the lanes of a vector.
 *
 * The scan keeps 16 channels' states, one vector for each of the N states, in registers
 * while the tokens pass (in the first-level cache where N is not 16). A step is
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
    TOKENS = 16,               /* whose steps begin together */
    FLUSH_SUBNORMALS = 0x8040, /* MXCSR: flush to zero, denormals are zero */
};

/* --- convolution --------------------------------------------------------------- */

static __m512 conv_input(const struct conv *c, size_t t, size_t back, size_t d, __mmask16 mask)
{
    if (t >= back)
        return _mm512_maskz_loadu_ps(mask, c->x + (t - back) * c->x_stride + d);
    return _mm512_maskz_loadu_ps(mask, c->tail + (c->width - 1 + t - back) * c->tail_stride + d);
}

static void conv_any(const struct conv *c, size_t d, __mmask16 mask)
{
    __m512 bias = _mm512_maskz_loadu_ps(mask, c->bias + d);
    for (size_t t = 0; t < c->tokens; t++) {
        __m512 sum = bias;
        for (size_t j = 0; j < c->width; j++) {
            __m512 w = _mm512_maskz_loadu_ps(mask, c->weight + j * c->tail_stride + d);
            sum = _mm512_fmadd_ps(w, conv_input(c, t, c->width - 1 - j, d, mask), sum);
        }
        _mm512_mask_storeu_ps(c->y + t * c->y_stride + d, mask, avx512_silu(sum));
    }
}

/* The same for the common width, a token's channels one after the other as they lie.
 * whole: channels % 16 == 0. */
AVX512_INLINE void conv_four(const bool whole, const struct conv *c)
{
    for (size_t t = 0; t < c->tokens; t++) {
        const float *x[4];
        for (size_t j = 0; j < 4; j++)
            x[j] =
                t + j < 3 ? c->tail + (t + j) * c->tail_stride : c->x + (t + j - 3) * c->x_stride;
        for (size_t d = 0; d < c->channels; d += 16) {
            __mmask16 mask = avx512_first(c->channels - d);
            __m512 sum = avx512_load(whole, mask, c->bias + d);
            _mm_prefetch((const char *)(c->x + (t + 4) * c->x_stride + d), _MM_HINT_T0);
#pragma GCC unroll 4
            for (size_t j = 0; j < 4; j++)
                sum = _mm512_fmadd_ps(avx512_load(whole, mask, c->weight + j * c->tail_stride + d),
                                      avx512_load(whole, mask, x[j] + d), sum);
            avx512_store(whole, c->y + t * c->y_stride + d, mask, avx512_silu(sum));
        }
    }
}

/* The same for one token: the last inputs move up as they go by. */
AVX512_INLINE void conv_token(const bool whole, const struct conv *c)
{
    for (size_t d = 0; d < c->channels; d += 16) {
        const __mmask16 mask = avx512_first(c->channels - d);
        float *tail = c->tail + d;
        __m512 x[4], sum = avx512_load(whole, mask, c->bias + d);
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
            x[j] = avx512_load(whole, mask, j < 3 ? tail + j * c->tail_stride : c->x + d);
            sum = _mm512_fmadd_ps(avx512_load(whole, mask, c->weight + j * c->tail_stride + d),
                                  x[j], sum);
        }
#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++)
            avx512_store(whole, tail + j * c->tail_stride, mask, x[j + 1]);
        avx512_store(whole, c->y + d, mask, avx512_silu(sum));
    }
}

void avx512_conv_silu(const struct conv *c)
{
    if (c->width == 4 && c->tokens == 1) {
        if (c->channels % 16 == 0)
            conv_token(true, c);
        else
            conv_token(false, c);
        return;
    }
    if (c->width == 4 && c->channels % 16 == 0)
        conv_four(true, c);
    else if (c->width == 4)
        conv_four(false, c);
    for (size_t d = 0; d < c->channels; d += 16) {
        __mmask16 mask = avx512_first(c->channels - d);
        if (c->width != 4)
            conv_any(c, d, mask);
        for (size_t j = 0; c->tokens && j + 1 < c->width; j++)
            _mm512_mask_storeu_ps(c->tail + j * c->tail_stride + d, mask,
                                  conv_input(c, c->tokens - 1, c->width - 2 - j, d, mask));
    }
}

/* --- scan ------------------------------------------------------------------------ */

/* What the steps of some tokens need beside the states. It is made for all of them before
 * their first step: a token's 16 states fill the window in which the processor looks for
 * work, so that each token would wait for the long chain that makes its delta. */
struct steps {
    __m512 delta[TOKENS], delta_x[TOKENS], x[TOKENS], gate[TOKENS];
};

AVX512_INLINE void begin_step(struct steps *steps, size_t i, const struct scan *s, size_t t,
                              size_t d, __mmask16 mask, __m512 bias)
{
    __m512 raw = _mm512_maskz_loadu_ps(mask, s->delta + t * s->delta_stride + d);
    steps->x[i] = _mm512_maskz_loadu_ps(mask, s->x + t * s->x_stride + d);
    steps->delta[i] = avx512_softplus(_mm512_add_ps(raw, bias));
    steps->delta_x[i] = _mm512_mul_ps(steps->delta[i], steps->x[i]);
    steps->gate[i] = avx512_silu(_mm512_maskz_loadu_ps(mask, s->gate + t * s->gate_stride + d));
}

static void begin_steps(struct steps *steps, const struct scan *s, size_t first, size_t count,
                        size_t d, __mmask16 mask)
{
    const __m512 bias = _mm512_maskz_loadu_ps(mask, s->bias + d);
    for (size_t i = 0; i < count; i++)
        begin_step(steps, i, s, first + i, d, mask, bias);
}

/* What token t needs: its rows lie pages apart, where no prefetcher looks. Beyond the last
 * token this is harmless. */
AVX512_INLINE void fetch_step(const struct scan *s, size_t t, size_t d)
{
    _mm_prefetch((const char *)(s->delta + t * s->delta_stride + d), _MM_HINT_T0);
    _mm_prefetch((const char *)(s->x + t * s->x_stride + d), _MM_HINT_T0);
    _mm_prefetch((const char *)(s->gate + t * s->gate_stride + d), _MM_HINT_T0);
}

AVX512_INLINE void end_step(const struct scan *s, size_t t, size_t d, __mmask16 mask,
                            const struct steps *steps, size_t i, __m512 sum, __m512 skip)
{
    sum = _mm512_mul_ps(_mm512_fmadd_ps(skip, steps->x[i], sum), steps->gate[i]);
    _mm512_mask_storeu_ps(s->y + t * s->y_stride + d, mask, sum);
}

/* One state's step; *sum takes up its part of y. */
AVX512_INLINE __m512 advance(__m512 h, __m512 a, __m512 delta, __m512 delta_x, const float *b,
                             const float *c, __m512 *sum)
{
    __m512 decay = avx512_exp2_product(delta, a);
    h = _mm512_fmadd_ps(decay, h, _mm512_mul_ps(delta_x, _mm512_set1_ps(*b)));
    *sum = _mm512_fmadd_ps(_mm512_set1_ps(*c), h, *sum);
    return h;
}

AVX512_INLINE __m512 scaled_a(__m512 a)
{
    return _mm512_mul_ps(a, _mm512_set1_ps(0x1.715476p+0f));
}

/* 16 channels from d on, 16 states: their h stays in 16 registers. */
static void scan_sixteen(const struct scan *s, size_t d)
{
    const __mmask16 mask = avx512_first(s->channels - d);
    const __m512 skip = _mm512_maskz_loadu_ps(mask, s->skip + d);
    /* Where nothing follows, what is fetched is at hand. */
    const float *next = d + 16 < s->channels ? s->h + d + 16 : s->next ? s->next : s->h;
    struct steps steps;
    __m512 h[16], a[16];
#pragma GCC unroll 16
    for (size_t n = 0; n < 16; n++) {
        h[n] = _mm512_maskz_loadu_ps(mask, s->h + n * s->h_stride + d);
        a[n] = scaled_a(_mm512_maskz_loadu_ps(mask, s->a + n * s->h_stride + d));
        _mm_prefetch((const char *)(next + n * s->h_stride), _MM_HINT_T0);
    }
    for (size_t t = 0; t < s->tokens; t += TOKENS) {
        const size_t count = s->tokens - t < TOKENS ? s->tokens - t : TOKENS;
        begin_steps(&steps, s, t, count, d, mask);
        for (size_t i = 0; i < count; i++) {
            const float *b = s->b + (t + i) * s->bc_stride, *c = s->c + (t + i) * s->bc_stride;
            const __m512 delta = steps.delta[i], delta_x = steps.delta_x[i];
            __m512 sum = _mm512_setzero_ps();
            fetch_step(s, t + i + TOKENS, d);
#pragma GCC unroll 16
            for (size_t n = 0; n < 16; n++)
                h[n] = advance(h[n], a[n], delta, delta_x, &b[n], &c[n], &sum);
            end_step(s, t + i, d, mask, &steps, i, sum, skip);
        }
    }
#pragma GCC unroll 16
    for (size_t n = 0; n < 16; n++)
        _mm512_mask_storeu_ps(s->h + n * s->h_stride + d, mask, h[n]);
}

/* One token of up to 16 x TOKENS channels from `first` on, 16 states: what waits for each
 * other here is reading the states. whole: channels % 16 == 0. */
AVX512_INLINE void token_sixteen(const bool whole, const struct scan *s, size_t first)
{
    const size_t left = s->channels - first, end = left < 16 * TOKENS ? left : 16 * TOKENS;
    struct steps steps;
    for (size_t i = 0; 16 * i < end; i++) {
        const size_t d = first + 16 * i;
        const __mmask16 mask = avx512_first(s->channels - d);
        begin_step(&steps, i, s, 0, d, mask, _mm512_maskz_loadu_ps(mask, s->bias + d));
    }
    for (size_t i = 0; 16 * i < end; i++) {
        const size_t d = first + 16 * i;
        const __mmask16 mask = avx512_first(s->channels - d);
        const __m512 delta = steps.delta[i], delta_x = steps.delta_x[i];
        __m512 sum = _mm512_setzero_ps();
#pragma GCC unroll 16
        for (size_t n = 0; n < 16; n++) {
            float *at = s->h + n * s->h_stride + d;
            _mm_prefetch((const char *)(at + 32), _MM_HINT_T0);
            __m512 a = scaled_a(avx512_load(whole, mask, s->a + n * s->h_stride + d));
            __m512 h =
                advance(avx512_load(whole, mask, at), a, delta, delta_x, &s->b[n], &s->c[n], &sum);
            avx512_store(whole, at, mask, h);
        }
        end_step(s, 0, d, mask, &steps, i, sum, _mm512_maskz_loadu_ps(mask, s->skip + d));
    }
}

/* The same for any number of states. */
static void scan_any(const struct scan *s, size_t d, __m512 *h, __m512 *a)
{
    const __mmask16 mask = avx512_first(s->channels - d);
    const __m512 skip = _mm512_maskz_loadu_ps(mask, s->skip + d);
    struct steps steps;
    for (size_t n = 0; n < s->states; n++) {
        h[n] = _mm512_maskz_loadu_ps(mask, s->h + n * s->h_stride + d);
        a[n] = scaled_a(_mm512_maskz_loadu_ps(mask, s->a + n * s->h_stride + d));
    }
    for (size_t t = 0; t < s->tokens; t += TOKENS) {
        const size_t count = s->tokens - t < TOKENS ? s->tokens - t : TOKENS;
        begin_steps(&steps, s, t, count, d, mask);
        for (size_t i = 0; i < count; i++) {
            const float *b = s->b + (t + i) * s->bc_stride, *c = s->c + (t + i) * s->bc_stride;
            __m512 sum = _mm512_setzero_ps();
            for (size_t n = 0; n < s->states; n++)
                h[n] = advance(h[n], a[n], steps.delta[i], steps.delta_x[i], &b[n], &c[n], &sum);
            end_step(s, t + i, d, mask, &steps, i, sum, skip);
        }
    }
    for (size_t n = 0; n < s->states; n++)
        _mm512_mask_storeu_ps(s->h + n * s->h_stride + d, mask, h[n]);
}

void avx512_scan(const struct scan *s)
{
    __m512 h[MAX_STATES], a[MAX_STATES];
    unsigned control = _mm_getcsr();
    _mm_setcsr(control | FLUSH_SUBNORMALS);
    if (s->states == 16 && s->tokens == 1) {
        for (size_t d = 0; d < s->channels; d += 16 * TOKENS)
            if (s->channels % 16 == 0)
                token_sixteen(true, s, d);
            else
                token_sixteen(false, s, d);
    } else {
        for (size_t d = 0; d < s->channels; d += 16)
            if (s->states == 16)
                scan_sixteen(s, d);
            else
                scan_any(s, d, h, a);
    }
    _mm_setcsr(control);
}
