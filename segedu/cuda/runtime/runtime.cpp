// Runs a kernel's threads on one thread of the CPU. One unit, so that the compiler sees the checker and its hooks together.
//
// Each header includes what it needs: state <- switching <- leaving <- scheduler, warps, memory <- races <- hooks;
// guard needs state; launch needs them all.
#include "launch.h"
#include "warps.h"
