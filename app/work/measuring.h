/* measuring.h: how fast the model runs here, beside what the machine can do. */
#ifndef TIDEMARK_APP_WORK_MEASURING_H
#define TIDEMARK_APP_WORK_MEASURING_H

#include "app/work/session.h"

struct measuring_result {
    char weights[64];                 /* model_weight_types() */
    double prefill_tokens_per_s;      /* as `read` runs: bits per token included */
    double decode_tokens_per_s;       /* one lane */
    size_t lanes;                     /* 8; on a GPU 64 */
    double decode_lanes_tokens_per_s; /* sum of so many lanes */
    const char *peak_flops_kind;      /* "amx-bf16", "avx512-bf16", "f32-fma", "bf16" */
    double peak_flops;                /* multiply and add counted as two; of a processor
                                         its mean over the seconds of reading */
    double peak_flops_least;          /* of all samples of it; of a GPU, of its rounds */
    double peak_flops_most;
    double peak_bytes_per_s;                /* reading a buffer of 1 GiB or more; of a GPU, a
                                               large copy, bytes read plus bytes written */
    double prefill_of_peak, decode_of_peak, lanes_times_one; /* ratios within a round */
    double state_bytes, state_save_ms, state_load_ms;
    double first_token_ms; /* from the saved state's database to one token more */
};

/* `rounds` (at least 1) timed rounds of everything, interleaved; medians. */
bool measuring_run(struct session *session, unsigned rounds, struct measuring_result *result,
                   struct error *error) WARN_UNUSED;

#endif
