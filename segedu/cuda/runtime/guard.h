// A kernel that overflows its stack, divides by zero or runs for ever must not take Python with it.
#pragma once
#if !defined(_WIN32)
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#endif
#include "state.h"

#if !defined(_WIN32)
static const int GUARDED[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGINT};
static const int GUARDED_COUNT = 5;
static struct sigaction former[GUARDED_COUNT];
static sigjmp_buf way_out;
static pthread_t launching;
static volatile bool running, interrupted_late;
static pthread_mutex_t stopping = PTHREAD_MUTEX_INITIALIZER;
static char *signal_stack;
static const size_t SIGNAL_STACK = 64 << 10;

static void on_signal(int number, siginfo_t *info, void *) {
  if (!pthread_equal(pthread_self(), launching)) {
    if (number == SIGINT) pthread_kill(launching, SIGINT);
    else signal(number, SIG_DFL);  // not ours: let it happen again
    return;
  }
  if (number == SIGINT && !running) {  // the launch was over when the signal came
    if (!stop_reason) interrupted_late = true;
    return;
  }
  char *where = (char *)info->si_addr;
  bool overflow = current && number != SIGFPE && number != SIGINT && where >= current->stack - 4096 && where < current->low;
  int problem = number == SIGINT   ? (stop_reason ? stop_reason : INTERRUPTED)
                : number == SIGFPE ? DIVISION
                : overflow         ? STACK_OVERFLOW
                                   : CRASH;
  if (Fault *f = new_fault(problem, 0)) f->offset = (int64_t)(uintptr_t)where;
  siglongjmp(way_out, 1);
}
static void guard_begin(stack_t *former_stack) {
  if (!signal_stack) signal_stack = (char *)malloc(SIGNAL_STACK);
  stack_t s;
  memset(&s, 0, sizeof s);
  s.ss_sp = signal_stack, s.ss_size = SIGNAL_STACK;
  sigaltstack(&s, former_stack);
  launching = pthread_self(), stop_reason = 0, interrupted_late = false, running = true;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_signal, action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int i = 0; i < GUARDED_COUNT; ++i) sigaction(GUARDED[i], &action, &former[i]);
}
// A signal that segedu_stop has sent already must meet our handler, not Python's: it comes at the latest when a system
// call returns.
static void guard_end(const stack_t *former_stack) {
  running = false;
  pthread_mutex_lock(&stopping);
  pthread_mutex_unlock(&stopping);
  sched_yield();
  for (int i = 0; i < GUARDED_COUNT; ++i) sigaction(GUARDED[i], &former[i], 0);
  sigaltstack(former_stack, 0);
  if (interrupted_late) pthread_kill(launching, SIGINT);
}
SEGEDU_EXPORT void segedu_stop(const Launch *late) {
  pthread_mutex_lock(&stopping);
  if (running && launch == late) {
    stop_reason = TIME_OVER;
    pthread_kill(launching, SIGINT);
  }
  pthread_mutex_unlock(&stopping);
}
#else
SEGEDU_EXPORT void segedu_stop(const Launch *late) {
  if (launch == late) stop_reason = TIME_OVER;  // the checked kernel looks at it
}
#endif
