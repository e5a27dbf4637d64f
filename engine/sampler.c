#include "engine/sampler.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

const struct sampler_options sampler_defaults = {
    .temperature = 0,
    .top_k = 0,
    .top_p = 1,
    .min_p = 0,
    .repetition_penalty = 1,
    .seed = 0,
};

struct candidate {
    double value; /* the logit after the penalty; of those kept, the weight */
    int32_t id;
};

struct sampler {
    struct sampler_options options;
    size_t vocabulary;
    uint64_t random[4];
    struct candidate *candidates; /* [vocabulary] */
    struct candidate *kept;       /* [vocabulary] the ones that the cuts leave */
    bool *penalized;              /* [vocabulary] all false between calls */
};

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static uint64_t rotate(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

/* xoshiro256** (Blackman and Vigna, 2018). */
static uint64_t next_random(uint64_t s[4])
{
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* In [0, 1), with all of a double's bits. */
static double next_fraction(uint64_t s[4])
{
    return (double)(next_random(s) >> 11) * 0x1p-53;
}

bool sampler_check(const struct sampler_options *options, struct error *error)
{
    /* Written so that NaN fails each of them. */
    if (!(options->temperature >= 0 && options->temperature <= FLT_MAX))
        return error_set(error, ERROR_USAGE, "the temperature must be 0 or more");
    if (!(options->top_p > 0 && options->top_p <= 1))
        return error_set(error, ERROR_USAGE, "top-p must be above 0 and at most 1");
    if (!(options->min_p >= 0 && options->min_p <= 1))
        return error_set(error, ERROR_USAGE, "min-p must be between 0 and 1");
    if (!(options->repetition_penalty > 0 && options->repetition_penalty <= FLT_MAX))
        return error_set(error, ERROR_USAGE, "the repetition penalty must be above 0");
    return true;
}

struct sampler *sampler_new(const struct sampler_options *options, size_t vocabulary,
                            struct error *error)
{
    assert(vocabulary > 0 && vocabulary <= INT32_MAX);
    if (!sampler_check(options, error))
        return NULL;
    struct sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler) {
        sampler->candidates = calloc(vocabulary, sizeof *sampler->candidates);
        sampler->kept = calloc(vocabulary, sizeof *sampler->kept);
        sampler->penalized = calloc(vocabulary, sizeof *sampler->penalized);
    }
    if (!sampler || !sampler->candidates || !sampler->kept || !sampler->penalized) {
        sampler_free(sampler);
        error_out_of_memory(error);
        return NULL;
    }
    sampler->options = *options;
    sampler->vocabulary = vocabulary;
    uint64_t state = options->seed;
    for (size_t i = 0; i < 4; i++)
        sampler->random[i] = splitmix64(&state);
    return sampler;
}

void sampler_free(struct sampler *sampler)
{
    if (!sampler)
        return;
    free(sampler->candidates);
    free(sampler->kept);
    free(sampler->penalized);
    free(sampler);
}

/* Infinities become the largest numbers, so that differences stay defined. */
static double clamped(float logit)
{
    return logit > FLT_MAX ? FLT_MAX : logit < -FLT_MAX ? -FLT_MAX : logit;
}

static float log_probability_of(const float *logits, size_t vocabulary, int32_t chosen)
{
    double largest = -FLT_MAX, sum = 0;
    for (size_t i = 0; i < vocabulary; i++)
        if (!isnan(logits[i]) && clamped(logits[i]) > largest)
            largest = clamped(logits[i]);
    for (size_t i = 0; i < vocabulary; i++)
        if (!isnan(logits[i]))
            sum += exp(clamped(logits[i]) - largest);
    return (float)(clamped(logits[chosen]) - largest - log(sum));
}

bool sampler_is_plain(const struct sampler_options *options)
{
    return options->temperature <= 0 && options->repetition_penalty >= 1 &&
           options->repetition_penalty <= 1;
}

int32_t sampler_likeliest(const float *logits, size_t vocabulary, float *log_probability)
{
    int32_t best = SAMPLER_NONE;
    for (size_t i = 0; i < vocabulary; i++)
        if (!isnan(logits[i]) && (best == SAMPLER_NONE || logits[i] > logits[best]))
            best = (int32_t)i;
    if (log_probability)
        *log_probability = best == SAMPLER_NONE ? 0 : log_probability_of(logits, vocabulary, best);
    return best;
}

/* Marks (or unmarks) the recent tokens, so that each is penalized once. */
static void mark_recent(struct sampler *sampler, const int32_t *recent, size_t count, bool mark)
{
    for (size_t i = 0; i < count; i++)
        if (recent[i] >= 0 && (size_t)recent[i] < sampler->vocabulary)
            sampler->penalized[recent[i]] = mark;
}

/* Fills the candidates with what may be chosen at all; returns how many. */
static size_t gather(struct sampler *sampler, const float *logits, bool infinite)
{
    double penalty = (double)sampler->options.repetition_penalty;
    size_t count = 0;
    for (size_t i = 0; i < sampler->vocabulary; i++) {
        if (isnan(logits[i]) || (logits[i] < -FLT_MAX && !infinite))
            continue;
        double value = clamped(logits[i]);
        if (sampler->penalized[i])
            value = value > 0 ? value / penalty : value * penalty;
        sampler->candidates[count++] = (struct candidate){value, (int32_t)i};
    }
    return count;
}

/* The order of choice: larger values first, of equal ones the smaller id. */
static bool comes_before(const struct candidate *a, const struct candidate *b)
{
    return a->value > b->value || (a->value >= b->value && a->id < b->id);
}

static size_t best_of(const struct candidate *candidates, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (comes_before(&candidates[i], &candidates[best]))
            best = i;
    return best;
}

static void sift_down(struct candidate *heap, size_t at, size_t count)
{
    struct candidate item = heap[at];
    size_t child;
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && comes_before(&heap[child + 1], &heap[child]))
            child++;
        if (!comes_before(&heap[child], &item))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

/* Takes candidates in order of choice: only as many as the cuts ask for are ever
 * sorted. */
static struct candidate pop(struct candidate *heap, size_t *count)
{
    struct candidate top = heap[0];
    heap[0] = heap[--*count];
    if (*count)
        sift_down(heap, 0, *count);
    return top;
}

/* A value's weight relative to the largest one's, which is 1. */
static double weight_of(const struct sampler *sampler, double value, double largest)
{
    return exp((value - largest) / (double)sampler->options.temperature);
}

/* Where neither top-k nor top-p asks for an order, none is made. */
static size_t keep_likely(struct sampler *sampler, size_t count, double *weight)
{
    const struct candidate *candidates = sampler->candidates;
    double largest = candidates[best_of(candidates, count)].value;
    size_t left = 0;
    *weight = 0;
    for (size_t i = 0; i < count; i++) {
        double part = weight_of(sampler, candidates[i].value, largest);
        if (part < (double)sampler->options.min_p)
            continue;
        *weight += part;
        sampler->kept[left++] = (struct candidate){part, candidates[i].id};
    }
    return left;
}

/* What top-p's share is of: the weight of all candidates, or of the `limit` most
 * likely ones that top-k leaves, which are popped for it. */
static double weigh(struct sampler *sampler, size_t *count, size_t limit, double largest)
{
    double total = 0;
    if (limit == *count) {
        for (size_t i = 0; i < limit; i++)
            total += weight_of(sampler, sampler->candidates[i].value, largest);
        return total;
    }
    for (size_t i = 0; i < limit; i++) {
        sampler->kept[i] = pop(sampler->candidates, count);
        total += weight_of(sampler, sampler->kept[i].value, largest);
    }
    return total;
}

/* Moves what top-k, top-p and min-p leave into `kept`, as weights; returns how
 * many, at least one, and their weight. */
static size_t cut(struct sampler *sampler, size_t count, double *weight)
{
    const struct sampler_options *options = &sampler->options;
    size_t limit = options->top_k && options->top_k < count ? options->top_k : count;
    bool popped = limit < count;
    if (!popped && options->top_p >= 1)
        return keep_likely(sampler, count, weight);
    for (size_t i = count / 2; i-- > 0;)
        sift_down(sampler->candidates, i, count);
    double largest = sampler->candidates[0].value;
    double enough = (double)options->top_p * weigh(sampler, &count, limit, largest);
    size_t left = 0;
    *weight = 0;
    while (left < limit && (options->top_p >= 1 || *weight < enough)) {
        struct candidate *kept = &sampler->kept[left];
        if (!popped)
            *kept = pop(sampler->candidates, &count);
        kept->value = weight_of(sampler, kept->value, largest);
        if (kept->value < (double)options->min_p)
            break;
        *weight += kept->value;
        left++;
    }
    return left;
}

static int32_t draw(struct sampler *sampler, size_t count)
{
    double weight, fraction = next_fraction(sampler->random);
    size_t kept = cut(sampler, count, &weight);
    double target = fraction * weight, sum = 0;
    for (size_t i = 0; i + 1 < kept; i++) {
        sum += sampler->kept[i].value;
        if (target < sum)
            return sampler->kept[i].id;
    }
    return sampler->kept[kept - 1].id;
}

int32_t sampler_next(struct sampler *sampler, const float *logits, const int32_t *recent,
                     size_t recent_count, float *log_probability)
{
    if (sampler_is_plain(&sampler->options))
        return sampler_likeliest(logits, sampler->vocabulary, log_probability);
    mark_recent(sampler, recent, recent_count, true);
    size_t count = gather(sampler, logits, false);
    if (count == 0)
        count = gather(sampler, logits, true);
    mark_recent(sampler, recent, recent_count, false);
    if (log_probability)
        *log_probability = 0;
    if (count == 0)
        return SAMPLER_NONE;
    int32_t chosen = sampler->options.temperature > 0
                         ? draw(sampler, count)
                         : sampler->candidates[best_of(sampler->candidates, count)].id;
    if (log_probability)
        *log_probability = log_probability_of(logits, sampler->vocabulary, chosen);
    return chosen;
}
