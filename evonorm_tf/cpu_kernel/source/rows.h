/* Passes over one example: rows of channels, one row for each position of the image.
 *
 * Several rows at a time go through one strip of channels, so that the coefficients of the strip
 * and its sums stay in registers. Rows ahead are asked for early: processors do not foresee this
 * order of access.
 */
#ifndef EVONORM_ROWS_H_
#define EVONORM_ROWS_H_

#include "vectors.h"

#define ROWS_AT_ONCE 8
#define FLOATS_AHEAD 2048
/* So many rows are summed in float32; their sums are then added in float64. */
#define ROWS_IN_FLOAT32 512
#define MOST_COEFFICIENTS 5
#define MOST_SUMS 5

typedef struct {
  long count, channels;
} Rows;

/* Arrays (channels,), by the formula's own order. */
typedef struct {
  const float *of[MOST_COEFFICIENTS];
} Coefficients;

/* y for LANES elements; `c` has their coefficients. */
typedef Vector (*Value)(Vector x, const Vector *c);
/* A part of dx for LANES elements; adds to `sums` what the gradients of coefficients sum up. */
typedef Vector (*Slope)(Vector x, Vector upstream, const Vector *c, Vector *sums);

static inline long least(long a, long b) { return a < b ? a : b; }

INLINE void ask_for(const float *address) { __builtin_prefetch(address + FLOATS_AHEAD); }

INLINE void load_coefficients(Vector *c, const Coefficients *coefficients, int number, long at) {
  for (int i = 0; i < number; i++) c[i] = load(coefficients->of[i] + at);
}

/* y = value(x) with `number` coefficients. */
INLINE void map_rows(Rows rows, const float *x, const Coefficients *coefficients, int number,
                     Value value, float *y) {
  for (long row = 0; row < rows.count; row += ROWS_AT_ONCE) {
    long size = least(ROWS_AT_ONCE, rows.count - row) * rows.channels;
    for (long strip = 0; strip < number_of_strips(rows.channels); strip++) {
      long channel = first_channel(strip, rows.channels), first = row * rows.channels + channel;
      Vector c[MOST_COEFFICIENTS];
      load_coefficients(c, coefficients, number, channel);
      for (long i = first; i < first + size; i += rows.channels) {
        ask_for(x + i), ask_for(y + i);
        store(y + i, value(load(x + i), c));
      }
    }
  }
}

/* Adds the lanes of a strip to its channels, without those that the strip before has too. */
INLINE void add_strip(Vector sums, long strip, long channels, double *totals) {
  long own = first_own_lane(strip, channels);
  totals += first_channel(strip, channels);
  for (long lane = 0; lane < LANES; lane++) totals[lane] += lane < own ? 0.0 : sums[lane];
}

/* Adds `number_of_sums` sums over the rows to `totals`, (number_of_sums, channels).
 *
 * `upstream` and `dx` may both be null: `slope` then gets zeros, and its result is dropped.
 * `scratch` holds MOST_SUMS vectors for each strip.
 */
INLINE void sum_rows(Rows rows, const float *x, const float *upstream,
                     const Coefficients *coefficients, int number, int number_of_sums, Slope slope,
                     float *dx, Vector *scratch, double *totals) {
  long strips = number_of_strips(rows.channels);
  for (long start = 0; start < rows.count; start += ROWS_IN_FLOAT32) {
    long end = least(start + ROWS_IN_FLOAT32, rows.count);
    for (long i = 0; i < strips * number_of_sums; i++) scratch[i] = (Vector){};
    for (long row = start; row < end; row += ROWS_AT_ONCE) {
      long size = least(ROWS_AT_ONCE, end - row) * rows.channels;
      for (long strip = 0; strip < strips; strip++) {
        long channel = first_channel(strip, rows.channels), first = row * rows.channels + channel;
        Vector c[MOST_COEFFICIENTS], sums[MOST_SUMS] = {};
        load_coefficients(c, coefficients, number, channel);
        for (long i = first; i < first + size; i += rows.channels) {
          ask_for(x + i);
          if (!upstream) {
            slope(load(x + i), (Vector){}, c, sums);
            continue;
          }
          ask_for(upstream + i), ask_for(dx + i);
          store(dx + i, slope(load(x + i), load(upstream + i), c, sums));
        }
        for (int s = 0; s < number_of_sums; s++) scratch[strip * number_of_sums + s] += sums[s];
      }
    }
    for (long strip = 0; strip < strips; strip++)
      for (int s = 0; s < number_of_sums; s++)
        add_strip(scratch[strip * number_of_sums + s], strip, rows.channels,
                  totals + s * rows.channels);
  }
}

#endif
