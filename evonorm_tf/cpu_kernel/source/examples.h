/* Steps over one example that all layers share, and running them on several threads. */
#ifndef EVONORM_EXAMPLES_H_
#define EVONORM_EXAMPLES_H_

#include "layers.h"

/* Memory of one part of the work: as many doubles, then floats, as the layers ask for. */
typedef struct {
  double *totals;
  float *coefficients;
  void *vectors;
} Scratch;

/* Does one example; `task` has whatever it needs. */
typedef void (*Step)(void *task, long example, Scratch scratch);

/* Arrays of `channels` that a scratch has of either kind. */
enum { TOTALS = 5, COEFFICIENTS = 6 };

/* Runs a step for each example; returns 0, or 1 if there is not enough memory. */
int for_each_example(const Sizes *sizes, Step step, void *task);

/* Adds the sums of all examples, (batch, number, channels), in their order; puts the result into
 * the place of one more example, behind the others, and returns it. */
double *sum_over_batch(const Sizes *sizes, long number, double *sums);

/* What the steps of a layer get that sees one example at a time. */
typedef struct {
  const Sizes *sizes;
  const Forward *forward;
  const Backward *backward;
  double *gradients; /* of the weights, from each example: (batch, number, channels) */
} ExampleTask;

/* A pass of such a layer. The backward one sums the gradients that its steps put into the task, of
 * beta, gamma and v, as many of them as `number` says. Both return what `for_each_example` does. */
int run_forward_steps(const Sizes *sizes, const Forward *arrays, Step step);
int run_backward_steps(const Sizes *sizes, const Backward *arrays, int number, Step step);

/* The moments of an example's rows, by two passes. The shift is the mean of the first eighth of
 * the rows; the mean is at most sqrt(7) standard deviations from it, so that at most three bits of
 * the variance are lost. */
void spatial_moments(const Sizes *sizes, const float *x, Moments moments, Scratch scratch);

/* For each channel 1 / sqrt(variance + epsilon) of its group, and the group's mean minus the
 * channel's shift; `moments` are those of one example. */
void group_statistics(const Sizes *sizes, Moments moments, float *factor, float *rest);

/* dx = dx * scale + slope * (x - shift) + offset, for each channel of an example. */
void add_slopes(const Sizes *sizes, const float *x, const float *scale, const float *slope,
                const float *shift, const float *offset, float *dx);

/* The moments of one example. */
static inline Moments moments_of(Moments moments, long example, long channels) {
  long first = example * channels;
  return (Moments){moments.shift + first, moments.rest + first, moments.variance + first};
}

#endif
