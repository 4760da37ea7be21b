#include "examples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "threads.h"

/* Parts for each thread: more than one, since threads do not run equally fast. */
enum { PARTS_FOR_A_THREAD = 4, ALIGNMENT = 64 };
/* Waking a thread takes as long as so many elements. */
#define LEAST_ELEMENTS_FOR_THREADS 65536

typedef struct {
  const Sizes *sizes;
  Step step;
  void *task;
  long parts;
  char *memory;
  size_t bytes;
} Work;

static size_t aligned(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void do_part(void *argument, long part) {
  const Work *work = argument;
  long channels = work->sizes->channels;
  char *memory = work->memory + part * work->bytes;
  Scratch scratch;
  scratch.totals = (double *)memory;
  scratch.coefficients = (float *)(memory + aligned(TOTALS * channels * sizeof(double)));
  scratch.vectors =
      (char *)scratch.coefficients + aligned(COEFFICIENTS * channels * sizeof(float));
  long end = work->sizes->batch * (part + 1) / work->parts;
  for (long example = work->sizes->batch * part / work->parts; example < end; example++)
    work->step(work->task, example, scratch);
}

int for_each_example(const Sizes *sizes, Step step, void *task) {
  long elements = sizes->batch * sizes->rows * sizes->channels;
  long threads = elements < LEAST_ELEMENTS_FOR_THREADS ? 1 : sizes->threads;
  Work work = {sizes, step, task, least(sizes->batch, threads * PARTS_FOR_A_THREAD)};
  if (!work.parts) return 0;
  work.bytes = aligned(TOTALS * sizes->channels * sizeof(double)) +
               aligned(COEFFICIENTS * sizes->channels * sizeof(float)) +
               aligned(MOST_SUMS * number_of_strips(sizes->channels) * sizeof(Vector));
  work.memory = aligned_alloc(ALIGNMENT, work.parts * work.bytes);
  if (!work.memory) return 1;
  run_parts(do_part, &work, work.parts, threads);
  free(work.memory);
  return 0;
}

double *sum_over_batch(const Sizes *sizes, long number, double *sums) {
  long width = number * sizes->channels;
  double *result = sums + sizes->batch * width;
  memset(result, 0, width * sizeof(double));
  for (long example = 0; example < sizes->batch; example++)
    for (long i = 0; i < width; i++) result[i] += sums[example * width + i];
  return result;
}

int run_forward_steps(const Sizes *sizes, const Forward *arrays, Step step) {
  ExampleTask task = {sizes, arrays};
  return for_each_example(sizes, step, &task);
}

int run_backward_steps(const Sizes *sizes, const Backward *arrays, int number, Step step) {
  float *const results[] = {arrays->dbeta, arrays->dgamma, arrays->dv};
  long channels = sizes->channels;
  double *gradients = calloc((sizes->batch + 1) * number * channels, sizeof(double));
  if (!gradients) return 1;
  ExampleTask task = {sizes, 0, arrays, gradients};
  int failed = for_each_example(sizes, step, &task);
  const double *sums = sum_over_batch(sizes, number, gradients);
  for (int s = 0; s < number; s++)
    for (long c = 0; c < channels; c++) results[s][c] = sums[s * channels + c];
  free(gradients);
  return failed;
}

static Vector sum_slope(Vector x, Vector upstream, const Vector *c, Vector *sums) {
  sums[0] += x;
  return x;
}

static Vector deviation_slope(Vector x, Vector upstream, const Vector *c, Vector *sums) {
  Vector deviation = x - c[0];
  sums[0] += deviation;
  sums[1] += deviation * deviation;
  return x;
}

void spatial_moments(const Sizes *sizes, const float *x, Moments moments, Scratch scratch) {
  long channels = sizes->channels;
  Rows rows = {sizes->rows, channels}, first = {(sizes->rows + 7) / 8, channels};
  double *sums = scratch.totals, *squares = sums + channels;
  memset(sums, 0, channels * sizeof(double));
  sum_rows(first, x, 0, 0, 0, 1, sum_slope, 0, scratch.vectors, sums);
  double share_of_first = 1.0 / first.count, share = 1.0 / rows.count;
  for (long c = 0; c < channels; c++) moments.shift[c] = sums[c] * share_of_first;
  memset(sums, 0, 2 * channels * sizeof(double));
  Coefficients shift = {{moments.shift}};
  sum_rows(rows, x, 0, &shift, 1, 2, deviation_slope, 0, scratch.vectors, sums);
  for (long c = 0; c < channels; c++) {
    double rest = sums[c] * share, variance = squares[c] * share - rest * rest;
    moments.rest[c] = rest;
    moments.variance[c] = variance < 0 ? 0 : variance; /* and NaN stays */
  }
}

void group_statistics(const Sizes *sizes, Moments moments, float *factor, float *rest) {
  long size = sizes->channels / sizes->groups;
  for (long first = 0; first < sizes->channels; first += size) {
    double mean = 0, spread = 0;
    for (long c = first; c < first + size; c++) mean += (double)moments.shift[c] + moments.rest[c];
    mean /= size;
    for (long c = first; c < first + size; c++) {
      double deviation = (moments.shift[c] - mean) + moments.rest[c];
      spread += moments.variance[c] + deviation * deviation;
    }
    double factor_of_group = 1 / sqrt(spread / size + sizes->epsilon);
    for (long c = first; c < first + size; c++) {
      factor[c] = factor_of_group;
      rest[c] = mean - moments.shift[c];
    }
  }
}

void add_slopes(const Sizes *sizes, const float *restrict x, const float *restrict scale,
                const float *restrict slope, const float *restrict shift,
                const float *restrict offset, float *restrict dx) {
  long channels = sizes->channels, elements = sizes->rows * channels;
  for (long row = 0; row < elements; row += channels)
    for (long c = 0; c < channels; c++)
      dx[row + c] = dx[row + c] * scale[c] + (slope[c] * (x[row + c] - shift[c]) + offset[c]);
}
