/* Vectors of LANES channels, and strips: how they cover any number of channels.
 *
 * A strip is LANES neighbouring channels. Where LANES does not divide the number of channels, the
 * last strip overlaps the one before it, so that no strip has fewer lanes than the others.
 */
#ifndef EVONORM_VECTORS_H_
#define EVONORM_VECTORS_H_

#include <stdint.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#elif defined(__AVX__)
#include <immintrin.h>
#define LANES 8
#else
#define LANES 8
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef int32_t Mask __attribute__((vector_size(LANES * 4)));
typedef float UnalignedVector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE Vector load(const float *from) { return *(const UnalignedVector *)from; }

INLINE void store(float *to, Vector vector) { *(UnalignedVector *)to = vector; }

INLINE Vector choose(Mask mask, Vector yes, Vector no) {
  return (Vector)((mask & (Mask)yes) | (~mask & (Mask)no));
}

/* The smaller and the larger of two numbers; b where one of them is NaN. Compilers do not find these
 * instructions in comparisons of vectors. */
INLINE Vector smaller(Vector a, Vector b) {
#if defined(__AVX512F__)
  return (Vector)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX__)
  return (Vector)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return choose(a < b, a, b);
#endif
}

INLINE Vector larger(Vector a, Vector b) {
#if defined(__AVX512F__)
  return (Vector)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX__)
  return (Vector)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return choose(a > b, a, b);
#endif
}

/* exp(-x); the method and its constants are those of xla_cpu/sigmoid.py. */
INLINE Vector exp_of_negative(Vector x) {
  const Vector largest = (Vector){} + 88.0f;
  const float to_bits = 12582912.0f + 127.0f; /* 1.5 * 2^23, and the exponent's bias */
  x = larger(-largest, smaller(largest, x));
  Vector bits = x * -1.4426950408889634f + to_bits;
  Vector n = bits - to_bits;
  Vector r = (-x - n * 0.693359375f) - n * -2.12194440e-4f;
  Vector power = r * 0.0013836845755577087f + 0.008374815806746483f;
  power = power * r + 0.04166822507977486f;
  power = power * r + 0.16666419804096222f;
  power = power * r + 0.49999991059303284f;
  power = power * r + 1.0f;
  power = power * r + 1.0f;
  return power * (Vector)((Mask)bits << 23);
}

static inline long number_of_strips(long channels) { return (channels + LANES - 1) / LANES; }

/* The first channel of a strip. */
static inline long first_channel(long strip, long channels) {
  long last = channels - LANES;
  return strip * LANES < last ? strip * LANES : last;
}

/* The first lane of a strip that no strip before it has. */
static inline long first_own_lane(long strip, long channels) {
  return strip * LANES - first_channel(strip, channels);
}

#endif
