/* A few threads that share the parts of a job with the thread that has it. */
#ifndef EVONORM_THREADS_H_
#define EVONORM_THREADS_H_

typedef void (*Part)(void *argument, long part);

/* Runs part 0, 1, ..., parts - 1 on at most `threads` threads; returns when all are done. */
void run_parts(Part run, void *argument, long parts, long threads);

#endif
