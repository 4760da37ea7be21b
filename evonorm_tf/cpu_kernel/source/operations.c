/* The layers as operations of TensorFlow, by its C interface; they are registered when loaded. */
#include <stdlib.h>

/* tensorflow/c/ops.h names these types as C++ does. */
typedef struct TF_DimensionHandle TF_DimensionHandle;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_ShapeHandle TF_ShapeHandle;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;

#include "layers.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "vectors.h"

enum { MOST_TENSORS = 8, MOST_RANK = 8 };

typedef struct {
  int64_t groups, threads;
  float epsilon;
} Attributes;

/* The tensors of one call. The first input is x; each output has the memory that it needs. */
typedef struct {
  TF_OpKernelContext *context;
  TF_Status *status;
  TF_Tensor *inputs[MOST_TENSORS], *outputs[MOST_TENSORS];
  int rank;
  int64_t shape[MOST_RANK], small_shape[MOST_RANK]; /* of x, and with spatial sizes of 1 */
  Sizes sizes;
} Call;

static void *create(TF_OpKernelConstruction *construction) {
  Attributes *attributes = malloc(sizeof *attributes);
  TF_Status *status = TF_NewStatus();
  if (attributes) {
    TF_OpKernelConstruction_GetAttrInt64(construction, "groups", &attributes->groups, status);
    TF_OpKernelConstruction_GetAttrInt64(construction, "threads", &attributes->threads, status);
    TF_OpKernelConstruction_GetAttrFloat(construction, "epsilon", &attributes->epsilon, status);
  } else {
    TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "not enough memory for an operation of evonorm_tf");
  }
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  TF_DeleteStatus(status);
  return attributes;
}

static int succeeded(const Call *call) { return TF_GetCode(call->status) == TF_OK; }

/* Reads the inputs and what their shapes say; these are the caller's own, so only what would
 * write to foreign memory is checked. */
static void begin(Call *call, const Attributes *attributes) {
  for (int i = 0; i < TF_NumInputs(call->context) && succeeded(call); i++)
    TF_GetInput(call->context, i, &call->inputs[i], call->status);
  if (!succeeded(call)) return;
  int last = (call->rank = TF_NumDims(call->inputs[0])) - 1;
  if (call->rank < 2 || call->rank > MOST_RANK) {
    TF_SetStatus(call->status, TF_INVALID_ARGUMENT, "`x` must have a rank of 2 to 8");
    return;
  }
  long rows = 1;
  for (int i = 0; i <= last; i++) {
    call->shape[i] = TF_Dim(call->inputs[0], i);
    call->small_shape[i] = i == 0 || i == last ? call->shape[i] : 1;
    rows *= i == 0 || i == last ? 1 : call->shape[i];
  }
  call->sizes = (Sizes){call->shape[0],     rows, call->shape[last], attributes->groups,
                        attributes->epsilon, attributes->threads};
  if (call->sizes.channels < LANES || call->sizes.channels % attributes->groups)
    TF_SetStatus(call->status, TF_INVALID_ARGUMENT,
                 "the channels of `x` must be a multiple of `groups`, and fill a vector");
}

/* Null if the operation has no such input. */
static float *input(const Call *call, int i) {
  return call->inputs[i] ? TF_TensorData(call->inputs[i]) : 0;
}

/* Null if the operation has no such output. */
static float *output(Call *call, int i, const int64_t *shape, int rank) {
  size_t bytes = sizeof(float);
  for (int k = 0; k < rank; k++) bytes *= shape[k];
  if (!succeeded(call) || i >= TF_NumOutputs(call->context)) return 0;
  call->outputs[i] =
      TF_AllocateOutput(call->context, i, TF_FLOAT, shape, rank, bytes, call->status);
  return succeeded(call) ? TF_TensorData(call->outputs[i]) : 0;
}

static float *vector_output(Call *call, int i) {
  return output(call, i, call->shape + call->rank - 1, 1);
}

static void end(Call *call, int has_no_memory) {
  if (has_no_memory)
    TF_SetStatus(call->status, TF_RESOURCE_EXHAUSTED, "not enough memory for sums of evonorm_tf");
  if (!succeeded(call)) TF_OpKernelContext_Failure(call->context, call->status);
  for (int i = 0; i < MOST_TENSORS; i++) {
    if (call->inputs[i]) TF_DeleteTensor(call->inputs[i]);
    if (call->outputs[i]) TF_DeleteTensor(call->outputs[i]);
  }
  TF_DeleteStatus(call->status);
}

static void run_forward(void *attributes, TF_OpKernelContext *context,
                        int (*layer)(const Sizes *, const Forward *)) {
  Call call = {context, TF_NewStatus()};
  begin(&call, attributes);
  Forward arrays = {0};
  if (succeeded(&call)) {
    arrays = (Forward){input(&call, 0), input(&call, 1), input(&call, 2), input(&call, 3)};
    arrays.y = output(&call, 0, call.shape, call.rank);
    arrays.moments.shift = output(&call, 1, call.small_shape, call.rank);
    arrays.moments.rest = output(&call, 2, call.small_shape, call.rank);
    arrays.moments.variance = output(&call, 3, call.small_shape, call.rank);
    arrays.batch_variance = vector_output(&call, 4);
  }
  end(&call, succeeded(&call) && layer(&call.sizes, &arrays));
}

static void run_backward(void *attributes, TF_OpKernelContext *context,
                         int (*layer)(const Sizes *, const Backward *)) {
  Call call = {context, TF_NewStatus()};
  begin(&call, attributes);
  Backward arrays = {0};
  if (succeeded(&call)) {
    arrays = (Backward){input(&call, 0), input(&call, 1), input(&call, 2), input(&call, 3)};
    arrays.moments = (Moments){input(&call, 4), input(&call, 5), input(&call, 6)};
    arrays.v = input(&call, 7);
    arrays.dx = output(&call, 0, call.shape, call.rank);
    arrays.dgamma = vector_output(&call, 1);
    arrays.dbeta = vector_output(&call, 2);
    arrays.dv = vector_output(&call, 3);
  }
  end(&call, succeeded(&call) && layer(&call.sizes, &arrays));
}

static void compute_s0_forward(void *attributes, TF_OpKernelContext *context) {
  run_forward(attributes, context, s0_forward);
}

static void compute_b0_forward(void *attributes, TF_OpKernelContext *context) {
  run_forward(attributes, context, b0_forward);
}

static void compute_s0_backward(void *attributes, TF_OpKernelContext *context) {
  run_backward(attributes, context, s0_backward);
}

static void compute_b0_backward(void *attributes, TF_OpKernelContext *context) {
  run_backward(attributes, context, b0_backward);
}

static void compute_gn_relu_forward(void *attributes, TF_OpKernelContext *context) {
  run_forward(attributes, context, gn_relu_forward);
}

static void compute_gn_relu_backward(void *attributes, TF_OpKernelContext *context) {
  run_backward(attributes, context, gn_relu_backward);
}

static void compute_affine_forward(void *attributes, TF_OpKernelContext *context) {
  run_forward(attributes, context, affine_forward);
}

static void compute_affine_backward(void *attributes, TF_OpKernelContext *context) {
  run_backward(attributes, context, affine_backward);
}

/* The first result has the shape of x; those of the small ones are set in Python. */
static void infer_shapes(TF_ShapeInferenceContext *context, TF_Status *status) {
  TF_ShapeInferenceContextSetUnknownShape(context, status);
  TF_ShapeHandle *x = TF_NewShapeHandle();
  if (TF_GetCode(status) == TF_OK) TF_ShapeInferenceContextGetInput(context, 0, x, status);
  if (TF_GetCode(status) == TF_OK) TF_ShapeInferenceContextSetOutput(context, 0, x, status);
  TF_DeleteShapeHandle(x);
}

static void define(const char *name, const char *const *inputs, const char *const *outputs,
                   void (*compute)(void *, TF_OpKernelContext *)) {
  TF_Status *status = TF_NewStatus();
  TF_OpDefinitionBuilder *builder = TF_NewOpDefinitionBuilder(name);
  for (; *inputs; inputs++) TF_OpDefinitionBuilderAddInput(builder, *inputs);
  for (; *outputs; outputs++) TF_OpDefinitionBuilderAddOutput(builder, *outputs);
  TF_OpDefinitionBuilderAddAttr(builder, "groups: int >= 1");
  TF_OpDefinitionBuilderAddAttr(builder, "threads: int >= 1");
  TF_OpDefinitionBuilderAddAttr(builder, "epsilon: float");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(builder, infer_shapes);
  TF_RegisterOpDefinition(builder, status);
  if (TF_GetCode(status) == TF_OK)
    TF_RegisterKernelBuilder(name, TF_NewKernelBuilder(name, "CPU", create, compute, free), status);
  TF_DeleteStatus(status);
}

/* Each list ends with a null. All layers have a part of the same lists, which `run_forward` and
 * `run_backward` read in their order. */
__attribute__((constructor)) static void register_operations(void) {
#define LIST(...) ((const char *const[]){__VA_ARGS__, 0})
#define AFFINE_INPUTS "x: float", "gamma: float", "beta: float"
#define MOMENTS "shift: float", "rest: float", "variance: float"
#define UPSTREAM_INPUTS "x: float", "upstream: float", "gamma: float", "beta: float"
#define AFFINE_GRADIENTS "dx: float", "dgamma: float", "dbeta: float"
  define("EvoNorm>S0Forward", LIST(AFFINE_INPUTS, "v: float"), LIST("y: float", MOMENTS),
         compute_s0_forward);
  define("EvoNorm>B0Forward", LIST(AFFINE_INPUTS, "v: float"),
         LIST("y: float", MOMENTS, "batch_variance: float"), compute_b0_forward);
  define("EvoNorm>GnReluForward", LIST(AFFINE_INPUTS), LIST("y: float", MOMENTS),
         compute_gn_relu_forward);
  define("EvoNorm>AffineForward", LIST(AFFINE_INPUTS), LIST("y: float"), compute_affine_forward);
  define("EvoNorm>S0Backward", LIST(UPSTREAM_INPUTS, MOMENTS, "v: float"),
         LIST(AFFINE_GRADIENTS, "dv: float"), compute_s0_backward);
  define("EvoNorm>B0Backward", LIST(UPSTREAM_INPUTS, MOMENTS, "v: float"),
         LIST(AFFINE_GRADIENTS, "dv: float"), compute_b0_backward);
  define("EvoNorm>GnReluBackward", LIST(UPSTREAM_INPUTS, MOMENTS), LIST(AFFINE_GRADIENTS),
         compute_gn_relu_backward);
  define("EvoNorm>AffineBackward", LIST(UPSTREAM_INPUTS), LIST(AFFINE_GRADIENTS),
         compute_affine_backward);
}
