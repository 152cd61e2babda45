// What a kernel's unit (shim.h), the runtime (runtime.cpp) and Python (native.py) agree on.
#pragma once
typedef __SIZE_TYPE__ size_t;

#ifdef _WIN32
#define SEGEDU_EXPORT extern "C" __declspec(dllexport)
#else
#define SEGEDU_EXPORT extern "C" __attribute__((visibility("default")))
#endif

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  operator uint3() const { return {x, y, z}; }
};

struct SegeduIndices {
  uint3 thread, block;
  uint3 block_size, grid_size;
};

// A __shared__ array, a __constant__ or a __device__ variable: `extent` are the sizes of its `rank` axes.
struct SegeduVariable {
  char *address;
  unsigned size, align, item, rank, extent[4];
  int line, constant;
  char type;
  char name[43];
  unsigned launch;       // the launch in which a shared array got its place
  SegeduVariable *next;  // of the registered variables
};

enum SegeduWarp { WARP_SYNC, SHUFFLE, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_XOR, BALLOT, ANY, ALL, MATCH_ANY };
enum SegeduVote { VOTE_NONE, VOTE_COUNT, VOTE_AND, VOTE_OR };
enum SegeduAccess { READ, WRITE, ATOMIC };

extern "C" {
extern SegeduIndices segedu_indices;
// Constant for the one thread that asks, so the compiler may ask once.
__attribute__((const)) unsigned segedu_index(int what, int axis);
int segedu_barrier(int vote, int predicate, int line);
unsigned long long segedu_warp(int op, unsigned mask, unsigned long long bits, int argument, int width, int line);
unsigned segedu_active_mask();
void segedu_atomic(const volatile void *address, int size, int line);
void segedu_spin();
void segedu_fence();
char *segedu_shared(SegeduVariable *variable);
char *segedu_dynamic();
int segedu_register(SegeduVariable *variable);
void segedu_assert(const char *expression, int line);
void segedu_trap(int line);
long long segedu_clock();
int segedu_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
}
