/* Runs one pass of a layer over feature maps (batch, places, channels) of float32.
 *
 * A pass is a list of steps, each of which computes one array element by element from others. All
 * steps go over one block of a few rows before the next block is looked at, so that what they compute
 * stays in the processor's cache. `passes.py` makes the lists.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#define FLOATS_OF_BLOCK 512

/* In the order of `OPERATIONS` in passes.py. */
enum {
  NEG, EXP, LOG, TANH, ABS, SIGN, SQRT, SQUARE, SIGMOID, DIVISOR, COPY,
  ADD, SUB, MUL, DIV, MAX, AT_LEAST, WHERE, WHERE_NOT, SUM
};

/* `target`, `a` and `b` number the arrays: first those of the caller, then the registers. */
typedef struct {
  int32_t operation, target, a, b;
} Step;

/* An array that every block sees as if it had the block's shape. */
typedef struct {
  int32_t varies_in_batch, varies_in_channels;
} Small;

typedef struct {
  int64_t batch, places, channels;
  int64_t maps, smalls, registers, steps;
  float epsilon;
} Sizes;

INLINE int32_t bits_of(float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

INLINE float float_of(int32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* x = n * ln(2) + r; returns exp(r) - 1, by its series, and n. */
INLINE float expm1_of_rest(float x, int32_t *n) {
  const float to_bits = 12582912.0f; /* 1.5 * 2^23: adding it rounds, and n is in the lowest bits */
  float shifted = x * 1.44269504088896341f + to_bits, rounded = shifted - to_bits;
  *n = bits_of(shifted) - bits_of(to_bits);
  float r = (x - rounded * 0.693359375f) + rounded * 2.12194440e-4f;
  float series = r * (1.0f / 5040) + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  return series * r * r + r;
}

/* 2^n for -126 <= n <= 127. */
INLINE float power_of_two(int32_t n) { return float_of((n + 127) << 23); }

/* Infinity above 88.7, and 0 below -104, as everywhere. */
INLINE float exponential(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -105.0f ? -105.0f : x;
  int32_t n;
  float rest = expm1_of_rest(x, &n) + 1.0f;
  int32_t half = n >> 1; /* 2^n is no normal number for the largest and smallest n */
  return rest * power_of_two(half) * power_of_two(n - half);
}

/* The logarithm of a normal positive number, which is m * 2^e: 2 * artanh((m - 1) / (m + 1)). */
INLINE float logarithm(float x) {
  int32_t bits = bits_of(x);
  int32_t e = (bits - 0x3f3504f3) >> 23; /* m is between sqrt(1/2) and sqrt(2) */
  float m = float_of(bits - (e << 23)), s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
  float series = s2 * (1.0f / 9) + 1.0f / 7;
  series = series * s2 + 1.0f / 5;
  series = series * s2 + 1.0f / 3;
  float result = (float)e * -2.12194440e-4f + 2.0f * (s + s * s2 * series);
  result += (float)e * 0.693359375f;
  return x <= 3.402823466e38f ? result : x; /* infinity and NaN stay */
}

/* With e = exp(2|x|) - 1 this is e / (e + 2), which loses nothing near 0. */
INLINE float hyperbolic_tangent(float x) {
  float twice = fabsf(2.0f * x);
  twice = twice > 20.0f ? 20.0f : twice;
  int32_t n;
  float rest = expm1_of_rest(twice, &n), scale = power_of_two(n);
  float e = rest * scale + (scale - 1.0f);
  return copysignf(e / (e + 2.0f), x);
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

INLINE float sign(float x) { return x != x ? x : (float)((x > 0.0f) - (x < 0.0f)); }

/* NaN if either is. */
INLINE float maximum(float a, float b) { return a >= b || a != a ? a : b; }

/* x, where an |x| of at most epsilon is epsilon with the sign of x; 0 is positive. */
INLINE float divisor(float x, float epsilon) {
  return fabsf(x) <= epsilon ? copysignf(epsilon, x + 0.0f) : x;
}

/* Masks are floats whose bits are all 1 or all 0. */
INLINE float at_least(float a, float b) { return float_of(-(int32_t)(a >= b)); }

INLINE float where(float mask, float x) { return float_of(bits_of(mask) & bits_of(x)); }

INLINE float where_not(float mask, float x) { return float_of(~bits_of(mask) & bits_of(x)); }

#define EACH(OPERATION, VALUE)                     \
  case OPERATION:                                  \
    for (long i = 0; i < count; i++) t[i] = VALUE; \
    break;

static void compute(int operation, float epsilon, long count, float *restrict t,
                    const float *restrict a, const float *restrict b) {
  switch (operation) {
    EACH(NEG, -a[i])
    EACH(EXP, exponential(a[i]))
    EACH(LOG, logarithm(a[i]))
    EACH(TANH, hyperbolic_tangent(a[i]))
    EACH(ABS, fabsf(a[i]))
    EACH(SIGN, sign(a[i]))
    EACH(SQRT, sqrtf(a[i]))
    EACH(SQUARE, a[i] * a[i])
    EACH(SIGMOID, sigmoid(a[i]))
    EACH(DIVISOR, divisor(a[i], epsilon))
    EACH(COPY, a[i])
    EACH(ADD, a[i] + b[i])
    EACH(SUB, a[i] - b[i])
    EACH(MUL, a[i] * b[i])
    EACH(DIV, a[i] / b[i])
    EACH(MAX, maximum(a[i], b[i]))
    EACH(AT_LEAST, at_least(a[i], b[i]))
    EACH(WHERE, where(a[i], b[i]))
    EACH(WHERE_NOT, where_not(a[i], b[i]))
  }
}

static void add(float *restrict to, const float *restrict from, long count) {
  for (long i = 0; i < count; i++) to[i] += from[i];
}

/* Adds the rows to `total`, half of them to the other half as often as there are two. */
static void add_rows(float *total, const float *from, float *scratch, long rows, long channels) {
  if (rows > 1) {
    memcpy(scratch, from, rows * channels * sizeof *from);
    from = scratch;
  }
  for (; rows > 1; rows /= 2) {
    if (rows % 2) add(scratch, scratch + (rows - 1) * channels, channels);
    add(scratch, scratch + rows / 2 * channels, rows / 2 * channels);
  }
  add(total, from, channels);
}

static void spread(float *to, const float *from, int varies_in_channels, long rows, long channels) {
  if (varies_in_channels) {
    for (long row = 0; row < rows; row++)
      memcpy(to + row * channels, from, channels * sizeof *from);
  } else {
    for (long i = 0; i < rows * channels; i++) to[i] = *from;
  }
}

/* Runs a pass.
 *
 * `maps`: feature maps that are read, or written, by steps. `smalls`: arrays (batch or 1, channels or
 * 1), whose sizes `small` has. `sums`: zeros (number of SUMs, batch, channels), to which each SUM, whose
 * target is its number, adds the sums over the places. Returns 1 without memory, else 0. */
EXPORTED int evonorm_run_pass(const Sizes *sizes, const Step *steps, float *const *maps,
                              const float *const *smalls, const Small *small,
                              float *sums) {
  long channels = sizes->channels, rows_of_block = FLOATS_OF_BLOCK / channels;
  if (rows_of_block < 1) rows_of_block = 1;
  if (rows_of_block > sizes->places) rows_of_block = sizes->places;
  long stride = (rows_of_block * channels + 15) / 16 * 16; /* each block begins a line of the cache */
  long own = sizes->smalls + sizes->registers, arrays = sizes->maps + own;
  float *memory = aligned_alloc(64, (own + 1) * stride * sizeof *memory);
  float **at = malloc((arrays + 1) * sizeof *at);
  if (!memory || !at) {
    free(memory), free(at);
    return 1;
  }
  for (long i = 0; i < own; i++) at[sizes->maps + i] = memory + i * stride;
  float *scratch = memory + own * stride;
  for (long example = 0; example < sizes->batch; example++) {
    for (long i = 0; i < sizes->smalls; i++) {
      if (example > 0 && !small[i].varies_in_batch) continue;
      long width = small[i].varies_in_channels ? channels : 1;
      const float *from = smalls[i] + (small[i].varies_in_batch ? example * width : 0);
      spread(at[sizes->maps + i], from, small[i].varies_in_channels, rows_of_block, channels);
    }
    for (long first = 0; first < sizes->places; first += rows_of_block) {
      long rows = sizes->places - first < rows_of_block ? sizes->places - first : rows_of_block;
      long offset = (example * sizes->places + first) * channels;
      for (long i = 0; i < sizes->maps; i++) at[i] = maps[i] + offset;
      for (const Step *step = steps; step < steps + sizes->steps; step++) {
        if (step->operation == SUM)
          add_rows(sums + (step->target * sizes->batch + example) * channels, at[step->a], scratch,
                   rows, channels);
        else
          compute(step->operation, sizes->epsilon, rows * channels, at[step->target], at[step->a],
                  at[step->b]);
      }
    }
  }
  free(memory), free(at);
  return 0;
}
