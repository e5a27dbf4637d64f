/* The sampler: greedy choice, each cut, the distribution of draws, odd logits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/sampler.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define VOCABULARY 5
#define DRAWS 20000

static struct sampler *make(struct sampler_options options, size_t vocabulary)
{
    struct error error = {0};
    struct sampler *sampler = sampler_new(&options, vocabulary, &error);
    if (!sampler)
        fail_msg("%s", error.text);
    return sampler;
}

static struct sampler_options drawing(void)
{
    struct sampler_options options = sampler_defaults;
    options.temperature = 1;
    options.seed = 42;
    return options;
}

static int32_t once(struct sampler_options options, const float *logits)
{
    struct sampler *sampler = make(options, VOCABULARY);
    int32_t token = sampler_next(sampler, logits, NULL, 0, NULL);
    sampler_free(sampler);
    return token;
}

/* How often each token is drawn, as shares. */
static void shares_of(double shares[VOCABULARY], struct sampler_options options,
                      const float *logits)
{
    struct sampler *sampler = make(options, VOCABULARY);
    memset(shares, 0, VOCABULARY * sizeof *shares);
    for (int i = 0; i < DRAWS; i++)
        shares[sampler_next(sampler, logits, NULL, 0, NULL)] += 1.0 / DRAWS;
    sampler_free(sampler);
}

/* Within five standard deviations of a binomial share. */
static void assert_share(double share, double expected)
{
    double deviation = sqrt(expected * (1 - expected) / DRAWS);
    if (fabs(share - expected) > 5 * deviation)
        fail_msg("share %f, expected %f", share, expected);
}

/* Logits of the probabilities 0.1, 0.4, 0.05, 0.25, 0.2. */
static const double probabilities[VOCABULARY] = {0.1, 0.4, 0.05, 0.25, 0.2};

static void known_logits(float logits[VOCABULARY])
{
    for (size_t i = 0; i < VOCABULARY; i++)
        logits[i] = (float)log(probabilities[i]) + 3;
}

static void test_options_refused(void **state)
{
    (void)state;
    static const struct sampler_options bad[] = {
        {-1, 0, 1, 0, 1, 0},       {NAN, 0, 1, 0, 1, 0},  {INFINITY, 0, 1, 0, 1, 0},
        {1, 0, 0, 0, 1, 0},        {1, 0, 1.5f, 0, 1, 0}, {1, 0, NAN, 0, 1, 0},
        {1, 0, 1, -0.1f, 1, 0},    {1, 0, 1, 1.1f, 1, 0}, {1, 0, 1, NAN, 1, 0},
        {1, 0, 1, 0, 0, 0},        {1, 0, 1, 0, -2, 0},   {1, 0, 1, 0, NAN, 0},
        {1, 0, 1, 0, INFINITY, 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error error = {0};
        assert_null(sampler_new(&bad[i], VOCABULARY, &error));
        assert_int_equal(error.kind, ERROR_USAGE);
    }
    sampler_free(NULL);
}

static void test_greedy(void **state)
{
    (void)state;
    assert_int_equal(once(sampler_defaults, (float[]){1, 5, 2, 5, 0}), 1);
    assert_int_equal(once(sampler_defaults, (float[]){NAN, -3, NAN, -2, -INFINITY}), 3);
    assert_int_equal(once(sampler_defaults, (float[]){1, INFINITY, 2, INFINITY, NAN}), 1);
    assert_int_equal(once(sampler_defaults, (float[]){NAN, -INFINITY, -INFINITY, NAN, NAN}), 1);
    assert_int_equal(once(sampler_defaults, (float[]){NAN, NAN, NAN, NAN, NAN}), SAMPLER_NONE);
}

/* What needs no sampler is what one chooses that sorts its candidates. */
static void test_likeliest(void **state)
{
    (void)state;
    static const float values[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 1, 2, -FLT_MAX};
    struct sampler_options options = sampler_defaults;
    assert_true(sampler_is_plain(&options));
    options.repetition_penalty = 2;
    assert_false(sampler_is_plain(&options));
    struct sampler *sampler = make(options, VOCABULARY);
    for (size_t i = 0; i < 8 * 8 * 8 * 8 * 8; i++) {
        float logits[VOCABULARY], got, want;
        for (size_t k = 0, rest = i; k < VOCABULARY; k++, rest /= 8)
            logits[k] = values[rest % 8];
        assert_int_equal(sampler_likeliest(logits, VOCABULARY, &got),
                         sampler_next(sampler, logits, NULL, 0, &want));
        assert_memory_equal(&got, &want, sizeof got);
    }
    sampler_free(sampler);
    options = drawing();
    assert_false(sampler_is_plain(&options));
}

static void test_distribution(void **state)
{
    (void)state;
    float logits[VOCABULARY];
    double shares[VOCABULARY];
    known_logits(logits);
    shares_of(shares, drawing(), logits);
    for (size_t i = 0; i < VOCABULARY; i++)
        assert_share(shares[i], probabilities[i]);
}

static void test_temperature(void **state)
{
    (void)state;
    float logits[VOCABULARY];
    double shares[VOCABULARY], sum = 0;
    known_logits(logits);
    struct sampler_options options = drawing();
    options.temperature = 0.5f;
    shares_of(shares, options, logits);
    for (size_t i = 0; i < VOCABULARY; i++)
        sum += probabilities[i] * probabilities[i];
    for (size_t i = 0; i < VOCABULARY; i++)
        assert_share(shares[i], probabilities[i] * probabilities[i] / sum);
    options.temperature = 1e-45f;
    shares_of(shares, options, logits);
    assert_float_equal(shares[1], 1, 1e-9);
}

static void test_cuts(void **state)
{
    (void)state;
    static const struct {
        unsigned top_k;
        float top_p, min_p;
        double expected[VOCABULARY];
    } cases[] = {
        {2, 1, 0, {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
        {1, 1, 0, {0, 1, 0, 0, 0}},
        {99, 1, 0, {0.1, 0.4, 0.05, 0.25, 0.2}},
        {0, 0.6f, 0, {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
        {0, 0.7f, 0, {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85}},
        {0, 0.001f, 0, {0, 1, 0, 0, 0}},
        {0, 1, 0.45f, {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85}},
        {0, 1, 1, {0, 1, 0, 0, 0}},
        {0, 0.96f, 0.2f, {0.1 / 0.95, 0.4 / 0.95, 0, 0.25 / 0.95, 0.2 / 0.95}},
        /* Top-p's share is of what top-k leaves: 0.4 of 0.85 is under a half. */
        {3, 0.5f, 0, {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}},
        {3, 0.45f, 0, {0, 1, 0, 0, 0}},
    };
    float logits[VOCABULARY];
    known_logits(logits);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double shares[VOCABULARY];
        struct sampler_options options = drawing();
        options.top_k = cases[i].top_k;
        options.top_p = cases[i].top_p;
        options.min_p = cases[i].min_p;
        shares_of(shares, options, logits);
        for (size_t token = 0; token < VOCABULARY; token++) {
            if (cases[i].expected[token] == 0 || cases[i].expected[token] == 1)
                assert_float_equal(shares[token], cases[i].expected[token], 1e-9);
            else
                assert_share(shares[token], cases[i].expected[token]);
        }
    }
}

static void test_ties_go_to_the_smaller_id(void **state)
{
    (void)state;
    float equal[300];
    for (size_t i = 0; i < 300; i++)
        equal[i] = 1;
    struct sampler_options options = drawing();
    options.top_k = 7;
    struct sampler *sampler = make(options, 300);
    for (int i = 0; i < 500; i++)
        assert_in_range(sampler_next(sampler, equal, NULL, 0, NULL), 0, 6);
    sampler_free(sampler);
}

static void test_repetition_penalty(void **state)
{
    (void)state;
    struct sampler_options options = sampler_defaults;
    options.repetition_penalty = 2;
    struct sampler *sampler = make(options, VOCABULARY);
    const float logits[VOCABULARY] = {4, 3, 1.6f, -1, -9};
    const int32_t recent[] = {0, 0, 0, -1, 99, INT32_MIN};
    assert_int_equal(sampler_next(sampler, logits, recent, 6, NULL), 1);
    assert_int_equal(sampler_next(sampler, logits, (int32_t[]){0, 1}, 2, NULL), 0);
    assert_int_equal(sampler_next(sampler, logits, NULL, 0, NULL), 0);
    const float negative[VOCABULARY] = {-3, -2, -9, -9, -9};
    assert_int_equal(sampler_next(sampler, negative, (int32_t[]){1}, 1, NULL), 0);
    sampler_free(sampler);
}

static void test_log_probability(void **state)
{
    (void)state;
    float logits[VOCABULARY], got = 0;
    known_logits(logits);
    struct sampler_options options = sampler_defaults;
    options.repetition_penalty = 100;
    struct sampler *sampler = make(options, VOCABULARY);
    assert_int_equal(sampler_next(sampler, logits, (int32_t[]){1}, 1, &got), 3);
    assert_float_equal(got, log(0.25), 1e-5);
    const float odd[VOCABULARY] = {NAN, 2, -INFINITY, 2, NAN};
    assert_int_equal(sampler_next(sampler, odd, NULL, 0, &got), 1);
    assert_float_equal(got, log(0.5), 1e-6);
    const float infinite[VOCABULARY] = {0, INFINITY, 0, 0, -INFINITY};
    assert_int_equal(sampler_next(sampler, infinite, NULL, 0, &got), 1);
    assert_float_equal(got, 0, 1e-6);
    sampler_free(sampler);
}

static void test_seed_alone_decides(void **state)
{
    (void)state;
    float logits[VOCABULARY];
    known_logits(logits);
    struct sampler_options options = drawing(), other = drawing();
    other.seed = 43;
    struct sampler *a = make(options, VOCABULARY), *b = make(options, VOCABULARY);
    struct sampler *c = make(other, VOCABULARY);
    int same = 0;
    for (int i = 0; i < 200; i++) {
        int32_t token = sampler_next(a, logits, NULL, 0, NULL);
        assert_int_equal(token, sampler_next(b, logits, NULL, 0, NULL));
        same += token == sampler_next(c, logits, NULL, 0, NULL);
    }
    assert_in_range(same, 1, 150);
    sampler_free(a);
    sampler_free(b);
    sampler_free(c);
}

static void test_odd_logits_drawn(void **state)
{
    (void)state;
    double shares[VOCABULARY];
    shares_of(shares, drawing(), (float[]){NAN, 1, -INFINITY, 1, NAN});
    assert_share(shares[1], 0.5);
    assert_share(shares[3], 0.5);
    shares_of(shares, drawing(), (float[]){NAN, INFINITY, 3, -INFINITY, INFINITY});
    assert_share(shares[1], 0.5);
    assert_share(shares[4], 0.5);
    assert_int_equal(once(drawing(), (float[]){NAN, NAN, NAN, NAN, NAN}), SAMPLER_NONE);
    shares_of(shares, drawing(), (float[]){NAN, -INFINITY, NAN, -INFINITY, NAN});
    assert_share(shares[1], 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_refused),
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_likeliest),
        cmocka_unit_test(test_distribution),
        cmocka_unit_test(test_temperature),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_ties_go_to_the_smaller_id),
        cmocka_unit_test(test_repetition_penalty),
        cmocka_unit_test(test_log_probability),
        cmocka_unit_test(test_seed_alone_decides),
        cmocka_unit_test(test_odd_logits_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
