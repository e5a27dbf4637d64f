/* sampler.h: from logits to the next token.
 *
 * First the repetition penalty (Keskar et al., 2019) over the tokens given, each
 * counted once. Then, when temperature is 0, the largest logit. Otherwise, in this
 * order: temperature, top-k, top-p (Holtzman et al., 2020), min-p (Nguyen et al.,
 * 2024), then a draw from a generator that the seed alone decides (xoshiro256**,
 * seeded by splitmix64). Ties go to the smaller id. NaN logits are never chosen,
 * -inf only where there is nothing else. */
#ifndef TIDEMARK_ENGINE_SAMPLER_H
#define TIDEMARK_ENGINE_SAMPLER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define SAMPLER_NONE (-1)

struct sampler_options {
    float temperature;        /* 0 or more; 0: greedy */
    unsigned top_k;           /* 0: off */
    float top_p;              /* above 0, up to 1; 1: off */
    float min_p;              /* 0 to 1, of the largest probability; 0: off */
    float repetition_penalty; /* above 0; 1: off */
    uint64_t seed;
};

extern const struct sampler_options sampler_defaults; /* greedy, all off */

struct sampler;

/* Whether all options are in range. */
bool sampler_check(const struct sampler_options *options, struct error *error) WARN_UNUSED;

/* Whether the options ask for the largest logit, whatever came before. */
bool sampler_is_plain(const struct sampler_options *options);

/* What a sampler with such options chooses. */
int32_t sampler_likeliest(const float *logits, size_t vocabulary, float *log_probability);

/* NULL and an error for options out of range or no memory. vocabulary: 1 to
 * INT32_MAX. */
struct sampler *sampler_new(const struct sampler_options *options, size_t vocabulary,
                            struct error *error);
void sampler_free(struct sampler *sampler);

/* logits: [vocabulary], unchanged. recent: tokens that the repetition penalty
 * looks at; ids out of range do not count. *log_probability (may be NULL): natural
 * log of the chosen token's probability under the unmodified logits. Returns
 * SAMPLER_NONE (and a log of 0) when every logit is NaN. */
int32_t sampler_next(struct sampler *sampler, const float *logits, const int32_t *recent,
                     size_t recent_count, float *log_probability);

#endif
