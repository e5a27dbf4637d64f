#include "app/work/sampling.h"

#include "base/clock.h"
#include "kernels/peak.h"

#include <assert.h>
#include <math.h>

void sampling_add(struct sampling *s, double seconds, double flops)
{
    if (s->samples > 0) {
        s->seconds += seconds;
        s->operations += seconds * (s->last + flops) / 2;
    }
    s->least = s->samples > 0 ? fmin(s->least, flops) : flops;
    s->most = s->samples > 0 ? fmax(s->most, flops) : flops;
    s->last = flops;
    s->samples++;
}

static bool take_sample(struct sampling *s, double read, double seconds, struct error *error)
{
    double flops;
    if (!peak_flops(&flops, s->pool, seconds, error))
        return false;
    sampling_add(s, read, flops);
    s->since = clock_seconds();
    return true;
}

bool sampling_begin(struct sampling *s, struct error *error)
{
    return take_sample(s, 0, PEAK_SECONDS, error);
}

bool sampling_end(struct sampling *s, struct error *error)
{
    return take_sample(s, clock_seconds() - s->since, PEAK_SECONDS, error);
}

/* One that is cancelled needs no word: so is the pass. */
void sampling_between(struct sampling *s)
{
    const double read = clock_seconds() - s->since;
    struct error ignored;
    if (read >= SAMPLING_EVERY)
        (void)!take_sample(s, read, fmin(read * SAMPLING_SHARE, PEAK_SECONDS), &ignored);
}

double sampling_peak(const struct sampling *s)
{
    assert(s->samples >= 2);
    return s->operations / s->seconds;
}
