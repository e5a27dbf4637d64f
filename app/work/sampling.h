/* sampling.h: what the processor can multiply in the very seconds in which a model reads.
 *
 *     struct sampling sampling = {.pool = pool};
 *     forward_between_layers(forward, (calls sampling_between), &sampling);
 *     ok = sampling_begin(&sampling, &error) && forward_prefill(...) &&
 *          sampling_end(&sampling, &error);
 *     forward_between_layers(forward, NULL, NULL);
 *     ... sampling.seconds, sampling_peak(&sampling) ...
 *
 * A machine that others use, too, changes its pace within seconds, by more than a factor of
 * two: a peak of other seconds than the reading's says little about it. So the peak (peak.h) is
 * sampled before the reading, after it and between its layers, on the threads that read; what
 * samples take is no part of the reading's seconds. */
#ifndef TIDEMARK_APP_WORK_SAMPLING_H
#define TIDEMARK_APP_WORK_SAMPLING_H

#include "base/pool.h"

/* Between two samples the model reads for so long at least, and to the end of a layer. Then the
 * sample takes this share of it, at most PEAK_SECONDS. */
#define SAMPLING_EVERY 0.12
#define SAMPLING_SHARE 0.08

struct sampling {
    struct pool *pool;
    double since;       /* clock_seconds() when the stretch being read began */
    double seconds;     /* read so far, samples left out */
    double operations;  /* that the peak would have made in them */
    double last;        /* sample, operations a second */
    double least, most; /* of the samples */
    unsigned samples;
};

/* ERROR_INTERRUPTED when the pool was cancelled. */
bool sampling_begin(struct sampling *sampling, struct error *error) WARN_UNUSED;
bool sampling_end(struct sampling *sampling, struct error *error) WARN_UNUSED;

/* To be called between layers: takes a sample if it is time. */
void sampling_between(struct sampling *sampling);

/* A sample, taken after `seconds` more were read; of the first there are none. */
void sampling_add(struct sampling *sampling, double seconds, double flops);

/* The mean over the seconds read: each stretch counts by its length, with the mean of the
 * samples at its ends. Two samples at least. */
double sampling_peak(const struct sampling *sampling);

#endif
