#include "threads.h"

#include <fenv.h>
#include <pthread.h>

typedef struct Job {
  Part run;
  void *argument;
  long parts, next, unfinished, helpers_wanted;
  fenv_t rounding; /* and how tiny numbers are treated: every thread does it as the first one */
  struct Job *after;
} Job;

/* Threads are started when first needed, and wait for ever. The lock protects all of this, and
 * each job. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t job_is_there = PTHREAD_COND_INITIALIZER;
static pthread_cond_t job_is_done = PTHREAD_COND_INITIALIZER;
static Job *first_job;
static long helpers;

/* Runs parts of a job until none is left; is called with the lock. */
static void take_parts(Job *job) {
  while (job->next < job->parts) {
    long part = job->next++;
    pthread_mutex_unlock(&lock);
    job->run(job->argument, part);
    pthread_mutex_lock(&lock);
    if (--job->unfinished == 0) pthread_cond_broadcast(&job_is_done);
  }
}

static Job *job_that_wants_help(void) {
  Job *job = first_job;
  while (job && (job->next == job->parts || !job->helpers_wanted)) job = job->after;
  return job;
}

static void *help(void *unused) {
  pthread_mutex_lock(&lock);
  for (;;) {
    Job *job = job_that_wants_help();
    if (!job) {
      pthread_cond_wait(&job_is_there, &lock);
      continue;
    }
    job->helpers_wanted--;
    fesetenv(&job->rounding);
    take_parts(job);
  }
  return unused;
}

/* After a fork, the threads are in the parent alone. */
static void forget_helpers(void) {
  pthread_mutex_init(&lock, 0);
  pthread_cond_init(&job_is_there, 0);
  pthread_cond_init(&job_is_done, 0);
  first_job = 0;
  helpers = 0;
}

static void start_helpers(long wanted) {
  static int watches_forks;
  if (!watches_forks) watches_forks = !pthread_atfork(0, 0, forget_helpers);
  pthread_t thread;
  while (helpers < wanted && !pthread_create(&thread, 0, help, 0)) {
    pthread_detach(thread);
    helpers++;
  }
}

static void remove_job(Job *job) {
  Job **place = &first_job;
  while (*place != job) place = &(*place)->after;
  *place = job->after;
}

void run_parts(Part run, void *argument, long parts, long threads) {
  long others = (threads < parts ? threads : parts) - 1;
  if (others < 1) {
    for (long part = 0; part < parts; part++) run(argument, part);
    return;
  }
  Job job = {run, argument, parts, 0, parts, others};
  fegetenv(&job.rounding);
  pthread_mutex_lock(&lock);
  start_helpers(others);
  job.after = first_job;
  first_job = &job;
  pthread_cond_broadcast(&job_is_there);
  take_parts(&job);
  while (job.unfinished) pthread_cond_wait(&job_is_done, &lock);
  remove_job(&job);
  pthread_mutex_unlock(&lock);
}
