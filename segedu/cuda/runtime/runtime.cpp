// Runs a kernel's threads on one thread of the CPU. One unit, so that the compiler sees the checker and its hooks together.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#endif
#if defined(__linux__)
#include <link.h>
#elif defined(__APPLE__)
#include <dlfcn.h>
#include <mach-o/getsect.h>
#include <mach-o/loader.h>
#endif
#include "interface.h"

#include "state.h"
#include "switching.h"
#include "scheduler.h"
#include "warps.h"
#include "memory.h"
#include "races.h"
#include "hooks.h"
#include "guard.h"
#include "launch.h"
