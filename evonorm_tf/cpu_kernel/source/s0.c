/* EvoNorm-S0: y = x * sigmoid(v * x) * scale + beta, scale = gamma / sqrt(group variance + epsilon).
 *
 * All that an example needs is in the example, so its second pass finds it in the cache.
 */
#include "examples.h"
#include "rows.h"

/* The gradients of beta, gamma and v. */
enum { SUMS = 3 };

static Vector value(Vector x, const Vector *c) {
  Vector scale = c[0], v = c[1], beta = c[2];
  return x / (1.0f + exp_of_negative(v * x)) * scale + beta;
}

static void forward_step(void *argument, long example, Scratch scratch) {
  const ExampleTask *task = argument;
  const Sizes *sizes = task->sizes;
  const Forward *arrays = task->forward;
  Rows rows = {sizes->rows, sizes->channels};
  long first = example * rows.count * rows.channels;
  Moments moments = moments_of(arrays->moments, example, rows.channels);
  float *scale = scratch.coefficients, *rest = scale + rows.channels;
  spatial_moments(sizes, arrays->x + first, moments, scratch);
  group_statistics(sizes, moments, scale, rest);
  for (long c = 0; c < rows.channels; c++) scale[c] *= arrays->gamma[c];
  Coefficients coefficients = {{scale, arrays->v, arrays->beta}};
  map_rows(rows, arrays->x + first, &coefficients, 3, value, arrays->y + first);
}

int s0_forward(const Sizes *sizes, const Forward *arrays) {
  return run_forward_steps(sizes, arrays, forward_step);
}

/* d (x * sigmoid(v * x)) / dx, and the sums of the gradients for beta, scale and v / scale.
 * 1 - sigmoid is exp * sigmoid, which keeps its digits where the sigmoid is almost 1. */
static Vector slope(Vector x, Vector upstream, const Vector *c, Vector *sums) {
  Vector product = c[0] * x, power = exp_of_negative(product);
  Vector share = 1.0f / (1.0f + power), rest = power * share;
  Vector through = upstream * share, weighted = through * x;
  sums[0] += upstream;
  sums[1] += weighted;
  sums[2] += weighted * (x * rest);
  return through + through * (product * rest);
}

/* The slope and the offset of the gradient for x through the variance of its group:
 * -sum(dscale * gamma) factor^3 / n * (x - mean). */
static void group_slopes(const Sizes *sizes, const float *gamma, const double *dscale,
                         const float *factor, const float *rest, float *slopes, float *offsets) {
  long size = sizes->channels / sizes->groups;
  for (long first = 0; first < sizes->channels; first += size) {
    double sum = 0, root = factor[first];
    for (long c = first; c < first + size; c++) sum += dscale[c] * gamma[c];
    double slope_of_group = -sum * root * root * root / ((double)sizes->rows * size);
    for (long c = first; c < first + size; c++) {
      slopes[c] = slope_of_group;
      offsets[c] = -slope_of_group * rest[c];
    }
  }
}

static void backward_step(void *argument, long example, Scratch scratch) {
  const ExampleTask *task = argument;
  const Sizes *sizes = task->sizes;
  const Backward *arrays = task->backward;
  Rows rows = {sizes->rows, sizes->channels};
  long first = example * rows.count * rows.channels, channels = rows.channels;
  Moments moments = moments_of(arrays->moments, example, channels);
  double *dbeta = task->gradients + example * SUMS * channels;
  double *dgamma = dbeta + channels, *dv = dgamma + channels;
  float *factor = scratch.coefficients, *rest = factor + channels, *scale = rest + channels;
  float *slopes = scale + channels, *offsets = slopes + channels;
  const float *x = arrays->x + first;
  Coefficients v = {{arrays->v}};
  sum_rows(rows, x, arrays->upstream + first, &v, 1, SUMS, slope, arrays->dx + first,
           scratch.vectors, dbeta);
  group_statistics(sizes, moments, factor, rest);
  group_slopes(sizes, arrays->gamma, dgamma, factor, rest, slopes, offsets);
  for (long c = 0; c < channels; c++) {
    scale[c] = arrays->gamma[c] * factor[c];
    dgamma[c] *= factor[c];
    dv[c] *= scale[c];
  }
  add_slopes(sizes, x, scale, slopes, moments.shift, offsets, arrays->dx + first);
}

int s0_backward(const Sizes *sizes, const Backward *arrays) {
  return run_backward_steps(sizes, arrays, SUMS, backward_step);
}
