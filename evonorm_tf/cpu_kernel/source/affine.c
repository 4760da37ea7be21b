/* EvoNorms without their nonlinearity: y = x * gamma + beta. */
#include "examples.h"
#include "rows.h"

/* The gradients of beta and gamma. */
enum { SUMS = 2 };

static Vector value(Vector x, const Vector *c) { return x * c[0] + c[1]; }

static void forward_step(void *argument, long example, Scratch scratch) {
  const ExampleTask *task = argument;
  Rows rows = {task->sizes->rows, task->sizes->channels};
  long first = example * rows.count * rows.channels;
  Coefficients coefficients = {{task->forward->gamma, task->forward->beta}};
  map_rows(rows, task->forward->x + first, &coefficients, 2, value, task->forward->y + first);
}

int affine_forward(const Sizes *sizes, const Forward *arrays) {
  return run_forward_steps(sizes, arrays, forward_step);
}

static Vector slope(Vector x, Vector upstream, const Vector *c, Vector *sums) {
  sums[0] += upstream;
  sums[1] += upstream * x;
  return upstream * c[0];
}

static void backward_step(void *argument, long example, Scratch scratch) {
  const ExampleTask *task = argument;
  const Backward *arrays = task->backward;
  Rows rows = {task->sizes->rows, task->sizes->channels};
  long first = example * rows.count * rows.channels;
  Coefficients coefficients = {{arrays->gamma}};
  sum_rows(rows, arrays->x + first, arrays->upstream + first, &coefficients, 1, SUMS, slope,
           arrays->dx + first, scratch.vectors, task->gradients + example * SUMS * rows.channels);
}

int affine_backward(const Sizes *sizes, const Backward *arrays) {
  return run_backward_steps(sizes, arrays, SUMS, backward_step);
}
