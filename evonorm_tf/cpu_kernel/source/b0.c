/* EvoNorm-B0: y = x / max(batch_std, v * x + instance_std) * gamma + beta.
 *
 * Every example needs the whole batch's variance, and its gradient, before its second pass. The
 * second passes take the examples in reverse, since the last ones are still in the cache.
 */
#include <math.h>
#include <stdlib.h>

#include "examples.h"
#include "rows.h"

enum { UPSTREAM, NORMALIZED, LOCAL, LOCAL_X, BATCH, SUMS };

/* Of the batch, for each channel. */
typedef struct {
  double *mean, *variance, *slope; /* `slope` is that of the gradient through the variance */
  float *std;
} Batch;

typedef struct {
  const Sizes *sizes;
  const Forward *forward;
  const Backward *backward;
  Batch batch;
  double *sums; /* (batch, SUMS, channels) */
} Task;

/* Memory for `Batch`, and in a backward pass for the sums behind it. */
static double *allocated(Task *task, long number_of_sums) {
  long channels = task->sizes->channels;
  long sums = number_of_sums * (task->sizes->batch + 1);
  double *memory = calloc((4 + sums) * channels, sizeof(double));
  task->batch = (Batch){memory, memory + channels, memory + 2 * channels,
                        (float *)(memory + 3 * channels)};
  task->sums = memory + 4 * channels;
  return memory;
}

/* Merges the moments of the examples; the variance of a batch without examples is 1. */
static void merge_batch(const Sizes *sizes, Moments moments, Batch batch) {
  long channels = sizes->channels, elements = sizes->batch * channels;
  for (long i = 0; i < elements; i++)
    batch.mean[i % channels] += ((double)moments.shift[i] + moments.rest[i]) / sizes->batch;
  for (long i = 0; i < elements; i++) {
    double deviation = (moments.shift[i] - batch.mean[i % channels]) + moments.rest[i];
    batch.variance[i % channels] += (moments.variance[i] + deviation * deviation) / sizes->batch;
  }
  for (long c = 0; c < channels; c++) {
    if (!sizes->batch) batch.variance[c] = 1;
    batch.std[c] = sqrt(batch.variance[c] + sizes->epsilon);
  }
}

static void instance_std(const Sizes *sizes, Moments moments, float *std) {
  float epsilon = sizes->epsilon;
  for (long c = 0; c < sizes->channels; c++) std[c] = sqrtf(moments.variance[c] + epsilon);
}

static void moments_step(void *argument, long example, Scratch scratch) {
  const Task *task = argument;
  long channels = task->sizes->channels, first = example * task->sizes->rows * channels;
  Moments moments = moments_of(task->forward->moments, example, channels);
  spatial_moments(task->sizes, task->forward->x + first, moments, scratch);
}

static Vector value(Vector x, const Vector *c) {
  Vector v = c[0], instance = c[1], batch = c[2], gamma = c[3], beta = c[4];
  Vector local = v * x + instance;
  return x / larger(batch, local) * gamma + beta;
}

static void value_step(void *argument, long place, Scratch scratch) {
  const Task *task = argument;
  const Forward *arrays = task->forward;
  Rows rows = {task->sizes->rows, task->sizes->channels};
  long example = task->sizes->batch - 1 - place, first = example * rows.count * rows.channels;
  float *instance = scratch.coefficients;
  instance_std(task->sizes, moments_of(arrays->moments, example, rows.channels), instance);
  Coefficients coefficients = {{arrays->v, instance, task->batch.std, arrays->gamma, arrays->beta}};
  map_rows(rows, arrays->x + first, &coefficients, 5, value, arrays->y + first);
}

int b0_forward(const Sizes *sizes, const Forward *arrays) {
  Task task = {sizes, arrays};
  double *memory = allocated(&task, 0);
  if (!memory) return 1;
  int failed = for_each_example(sizes, moments_step, &task);
  merge_batch(sizes, arrays->moments, task.batch);
  for (long c = 0; c < sizes->channels; c++) arrays->batch_variance[c] = task.batch.variance[c];
  failed = failed || for_each_example(sizes, value_step, &task);
  free(memory);
  return failed;
}

/* d (x / divisor) / dx with fixed standard deviations, and what the gradients sum up. With
 * w = upstream * x / divisor^2, that for the divisor is -gamma * w. */
static Vector slope(Vector x, Vector upstream, const Vector *c, Vector *sums) {
  Vector v = c[0], instance = c[1], batch = c[2], zero = {};
  Vector local = v * x + instance;
  Mask is_local = local > batch;
  Vector inverse = 1.0f / larger(batch, local);
  Vector through = upstream * inverse, product = through * x, w = product * inverse;
  Vector w_local = choose(is_local, w, zero);
  sums[UPSTREAM] += upstream;
  sums[NORMALIZED] += product;
  sums[LOCAL] += w_local;
  sums[LOCAL_X] += w_local * x;
  sums[BATCH] += choose(is_local, zero, w);
  return through - v * w_local;
}

static void slope_step(void *argument, long example, Scratch scratch) {
  const Task *task = argument;
  const Backward *arrays = task->backward;
  Rows rows = {task->sizes->rows, task->sizes->channels};
  long first = example * rows.count * rows.channels;
  float *instance = scratch.coefficients;
  instance_std(task->sizes, moments_of(arrays->moments, example, rows.channels), instance);
  Coefficients coefficients = {{arrays->v, instance, task->batch.std}};
  sum_rows(rows, arrays->x + first, arrays->upstream + first, &coefficients, 3, SUMS, slope,
           arrays->dx + first, scratch.vectors, task->sums + example * SUMS * rows.channels);
}

/* Sums over the batch: the gradients of the weights, and the slope through the variance. */
static void batch_gradients(const Task *task) {
  const Sizes *sizes = task->sizes;
  const Backward *arrays = task->backward;
  long channels = sizes->channels;
  const double *sums = sum_over_batch(sizes, SUMS, task->sums);
  for (long c = 0; c < channels; c++) {
    arrays->dbeta[c] = sums[UPSTREAM * channels + c];
    arrays->dgamma[c] = sums[NORMALIZED * channels + c];
    arrays->dv[c] = -arrays->gamma[c] * sums[LOCAL_X * channels + c];
    double through = -arrays->gamma[c] * sums[BATCH * channels + c] / task->batch.std[c];
    task->batch.slope[c] = through / ((double)sizes->batch * sizes->rows);
  }
}

/* Adds the gradients through both variances: slope * (x - mean) each. */
static void finish_step(void *argument, long place, Scratch scratch) {
  const Task *task = argument;
  const Backward *arrays = task->backward;
  const Sizes *sizes = task->sizes;
  long channels = sizes->channels, example = sizes->batch - 1 - place;
  long first = example * sizes->rows * channels;
  Moments moments = moments_of(arrays->moments, example, channels);
  const double *local = task->sums + (example * SUMS + LOCAL) * channels;
  float *instance = scratch.coefficients, *slopes = instance + channels;
  float *offsets = slopes + channels;
  instance_std(sizes, moments, instance);
  for (long c = 0; c < channels; c++) {
    double through = -arrays->gamma[c] * local[c] / (instance[c] * sizes->rows);
    double of_batch = task->batch.slope[c];
    slopes[c] = through + of_batch;
    offsets[c] = of_batch * (moments.shift[c] - task->batch.mean[c]) - through * moments.rest[c];
  }
  add_slopes(sizes, arrays->x + first, arrays->gamma, slopes, moments.shift, offsets,
             arrays->dx + first);
}

int b0_backward(const Sizes *sizes, const Backward *arrays) {
  Task task = {sizes, 0, arrays};
  double *memory = allocated(&task, SUMS);
  if (!memory) return 1;
  merge_batch(sizes, arrays->moments, task.batch);
  int failed = for_each_example(sizes, slope_step, &task);
  batch_gradients(&task);
  failed = failed || for_each_example(sizes, finish_step, &task);
  free(memory);
  return failed;
}
