/* EvoNorms without their nonlinearity: y = x * gamma + beta. */
#include <stdlib.h>

#include "examples.h"
#include "rows.h"

enum { SUMS = 2 };

typedef struct {
  const Sizes *sizes;
  const Forward *forward;
  const Backward *backward;
  double *gradients; /* of beta and gamma: (batch, SUMS, channels) */
} Task;

static Vector value(Vector x, const Vector *c) { return x * c[0] + c[1]; }

static void forward_step(void *argument, long example, Scratch scratch) {
  const Task *task = argument;
  Rows rows = {task->sizes->rows, task->sizes->channels};
  long first = example * rows.count * rows.channels;
  Coefficients coefficients = {{task->forward->gamma, task->forward->beta}};
  map_rows(rows, task->forward->x + first, &coefficients, 2, value, task->forward->y + first);
}

int affine_forward(const Sizes *sizes, const Forward *arrays) {
  Task task = {sizes, arrays};
  return for_each_example(sizes, forward_step, &task);
}

static Vector slope(Vector x, Vector upstream, const Vector *c, Vector *sums) {
  sums[0] += upstream;
  sums[1] += upstream * x;
  return upstream * c[0];
}

static void backward_step(void *argument, long example, Scratch scratch) {
  const Task *task = argument;
  const Backward *arrays = task->backward;
  Rows rows = {task->sizes->rows, task->sizes->channels};
  long first = example * rows.count * rows.channels;
  Coefficients coefficients = {{arrays->gamma}};
  sum_rows(rows, arrays->x + first, arrays->upstream + first, &coefficients, 1, SUMS, slope,
           arrays->dx + first, scratch.vectors, task->gradients + example * SUMS * rows.channels);
}

int affine_backward(const Sizes *sizes, const Backward *arrays) {
  long width = SUMS * sizes->channels;
  double *gradients = calloc((sizes->batch + 1) * width, sizeof(double));
  if (!gradients) return 1;
  Task task = {sizes, 0, arrays, gradients};
  int failed = for_each_example(sizes, backward_step, &task);
  const double *sums = sum_over_batch(sizes, SUMS, gradients);
  for (long c = 0; c < sizes->channels; c++) {
    arrays->dbeta[c] = sums[c];
    arrays->dgamma[c] = sums[sizes->channels + c];
  }
  free(gradients);
  return failed;
}
