/* What the layers compute, and on what; each has a file, and operations.c calls them. */
#ifndef EVONORM_LAYERS_H_
#define EVONORM_LAYERS_H_

/* `rows` is the number of positions of an image. */
typedef struct {
  long batch, rows, channels, groups;
  double epsilon;
  long threads;
} Sizes;

/* Of each example and channel: mean = shift + rest, and the biased variance. */
typedef struct {
  float *shift, *rest, *variance;
} Moments;

/* x, upstream, y and dx are (batch, rows, channels), moments (batch, channels), the rest
 * (channels,). The results are y, the moments and, of B0, the batch variance. What a layer does not
 * have is null. */
typedef struct {
  const float *x, *gamma, *beta, *v;
  float *y;
  Moments moments;
  float *batch_variance;
} Forward;

typedef struct {
  const float *x, *upstream, *gamma, *beta;
  Moments moments;
  const float *v;
  float *dx, *dgamma, *dbeta, *dv;
} Backward;

/* Each returns 0, or 1 if there is not enough memory. */
int s0_forward(const Sizes *sizes, const Forward *arrays);
int s0_backward(const Sizes *sizes, const Backward *arrays);
int b0_forward(const Sizes *sizes, const Forward *arrays);
int b0_backward(const Sizes *sizes, const Backward *arrays);
int gn_relu_forward(const Sizes *sizes, const Forward *arrays);
int gn_relu_backward(const Sizes *sizes, const Backward *arrays);
int affine_forward(const Sizes *sizes, const Forward *arrays);
int affine_backward(const Sizes *sizes, const Backward *arrays);

#endif
