/* GN-ReLU: y = max(z, 0), z = (x - shift) * scale + offset, where for the group's mean and variance
 * scale = gamma / sqrt(variance + epsilon) and offset = beta - (mean - shift) * scale.
 */
#include "examples.h"
#include "rows.h"

/* The gradients of beta and gamma. */
enum { SUMS = 2 };

/* The arrays (channels,) that both passes use for one example. */
typedef struct {
  float *factor, *rest, *scale, *offset;
} Small;

static Small small_arrays(const Sizes *sizes, Moments moments, const float *gamma,
                          const float *beta, Scratch scratch) {
  long channels = sizes->channels;
  float *memory = scratch.coefficients;
  Small small = {memory, memory + channels, memory + 2 * channels, memory + 3 * channels};
  group_statistics(sizes, moments, small.factor, small.rest);
  for (long c = 0; c < channels; c++) {
    small.scale[c] = gamma[c] * small.factor[c];
    small.offset[c] = beta[c] - small.rest[c] * small.scale[c];
  }
  return small;
}

static Vector value(Vector x, const Vector *c) {
  Vector shift = c[0], scale = c[1], offset = c[2], zero = {};
  return larger(zero, (x - shift) * scale + offset);
}

static void forward_step(void *argument, long example, Scratch scratch) {
  const ExampleTask *task = argument;
  const Forward *arrays = task->forward;
  Rows rows = {task->sizes->rows, task->sizes->channels};
  long first = example * rows.count * rows.channels;
  Moments moments = moments_of(arrays->moments, example, rows.channels);
  spatial_moments(task->sizes, arrays->x + first, moments, scratch);
  Small small = small_arrays(task->sizes, moments, arrays->gamma, arrays->beta, scratch);
  Coefficients coefficients = {{moments.shift, small.scale, small.offset}};
  map_rows(rows, arrays->x + first, &coefficients, 3, value, arrays->y + first);
}

int gn_relu_forward(const Sizes *sizes, const Forward *arrays) {
  return run_forward_steps(sizes, arrays, forward_step);
}

/* The upstream gradient where z > 0, and its sums alone and times x - shift. */
static Vector slope(Vector x, Vector upstream, const Vector *c, Vector *sums) {
  Vector deviation = x - c[0], zero = {};
  Vector through = choose(deviation * c[1] + c[2] > zero, upstream, zero);
  sums[0] += through;
  sums[1] += through * deviation;
  return through;
}

/* The slope and the offset of the gradient for x through the mean and the variance of its group:
 * -factor / n * (sum(dbeta * gamma) + sum(dgamma * gamma) * (x - mean) * factor). */
static void group_slopes(const Sizes *sizes, const float *gamma, const double *dbeta,
                         const double *dgamma, Small small, float *slopes, float *offsets) {
  long size = sizes->channels / sizes->groups;
  for (long first = 0; first < sizes->channels; first += size) {
    double of_mean = 0, of_variance = 0, factor = small.factor[first];
    for (long c = first; c < first + size; c++) {
      of_mean += dbeta[c] * gamma[c];
      of_variance += dgamma[c] * gamma[c];
    }
    double share = -factor / ((double)sizes->rows * size);
    for (long c = first; c < first + size; c++) {
      slopes[c] = share * factor * of_variance;
      offsets[c] = share * (of_mean - factor * of_variance * small.rest[c]);
    }
  }
}

static void backward_step(void *argument, long example, Scratch scratch) {
  const ExampleTask *task = argument;
  const Sizes *sizes = task->sizes;
  const Backward *arrays = task->backward;
  Rows rows = {sizes->rows, sizes->channels};
  long channels = rows.channels, first = example * rows.count * channels;
  Moments moments = moments_of(arrays->moments, example, channels);
  Small small = small_arrays(sizes, moments, arrays->gamma, arrays->beta, scratch);
  float *slopes = small.offset + channels, *offsets = slopes + channels;
  double *dbeta = task->gradients + example * SUMS * channels, *dgamma = dbeta + channels;
  Coefficients coefficients = {{moments.shift, small.scale, small.offset}};
  sum_rows(rows, arrays->x + first, arrays->upstream + first, &coefficients, 3, SUMS, slope,
           arrays->dx + first, scratch.vectors, dbeta);
  for (long c = 0; c < channels; c++)
    dgamma[c] = (dgamma[c] - small.rest[c] * dbeta[c]) * small.factor[c];
  group_slopes(sizes, arrays->gamma, dbeta, dgamma, small, slopes, offsets);
  add_slopes(sizes, arrays->x + first, small.scale, slopes, moments.shift, offsets,
             arrays->dx + first);
}

int gn_relu_backward(const Sizes *sizes, const Backward *arrays) {
  return run_backward_steps(sizes, arrays, SUMS, backward_step);
}
