// Lets a C++17 compiler for the CPU read CUDA C. No system header is visible here: what NVRTC does not know is unknown too.
#pragma once
#include "interface.h"
#include "vectors.h"
#include "mathematics.h"

#define __global__
#define __device__
#define __host__
#define __managed__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) alignas(n)
#define __CUDACC_RTC__ 1
#define __CUDA_ARCH__ 750
#define __CUDACC__ 1
#define SEGEDU_CPU 1
#define NULL 0
#define SEGEDU_INLINE static inline __attribute__((always_inline))
#ifdef __APPLE__
#define SEGEDU_VARIABLES __attribute__((section("__DATA,segedu")))
#else
#define SEGEDU_VARIABLES __attribute__((section("segedu")))
#endif
#define SEGEDU_UNSEEN static __attribute__((noinline, unused, no_sanitize("thread")))

// ---------------------------------------------------------------- indices
static constexpr int warpSize = 32;
#ifdef SEGEDU_CHECK
SEGEDU_INLINE const uint3 segedu_triple(int what) {
  return {segedu_index(what, 0), segedu_index(what, 1), segedu_index(what, 2)};
}
#define threadIdx (segedu_triple(0))
#define blockIdx (segedu_triple(1))
#define blockDim (dim3(segedu_triple(2)))
#define gridDim (dim3(segedu_triple(3)))
#else
SEGEDU_INLINE const uint3 segedu_copy(const uint3 &v) { return {v.x, v.y, v.z}; }
#define threadIdx (segedu_copy(segedu_indices.thread))
#define blockIdx (segedu_copy(segedu_indices.block))
#define blockDim (dim3(segedu_copy(segedu_indices.block_size)))
#define gridDim (dim3(segedu_copy(segedu_indices.grid_size)))
#endif

#define printf(...) segedu_print(__VA_ARGS__)
#define assert(...) ((__VA_ARGS__) ? (void)0 : segedu_assert(#__VA_ARGS__, __LINE__))
SEGEDU_INLINE void __trap(int line = __builtin_LINE()) { segedu_trap(line); }
SEGEDU_INLINE long long clock64() { return segedu_clock(); }
SEGEDU_INLINE int clock() { return (int)segedu_clock(); }
SEGEDU_INLINE void __nanosleep(unsigned) { segedu_spin(); }

// ---------------------------------------------------------------- barriers, fences, warps
SEGEDU_INLINE void __syncthreads(int line = __builtin_LINE()) { segedu_barrier(VOTE_NONE, 0, line); }
SEGEDU_INLINE int __syncthreads_count(int p, int line = __builtin_LINE()) { return segedu_barrier(VOTE_COUNT, !!p, line); }
SEGEDU_INLINE int __syncthreads_and(int p, int line = __builtin_LINE()) { return segedu_barrier(VOTE_AND, !!p, line); }
SEGEDU_INLINE int __syncthreads_or(int p, int line = __builtin_LINE()) { return segedu_barrier(VOTE_OR, !!p, line); }
SEGEDU_INLINE void __threadfence() { segedu_fence(); }
SEGEDU_INLINE void __threadfence_block() { segedu_fence(); }
SEGEDU_INLINE void __threadfence_system() { segedu_fence(); }

template <class T>
SEGEDU_INLINE T segedu_shuffle(int op, unsigned mask, T value, int argument, int width, int line) {
  static_assert(sizeof(T) <= 8, "a shuffle moves values of at most 8 bytes");
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  bits = segedu_warp(op, mask, bits, argument, width, line);
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}
#define SEGEDU_SHUFFLE(T)                                                                                                      \
  SEGEDU_INLINE T __shfl_sync(unsigned m, T v, int lane, int width = 32, int line = __builtin_LINE()) {                        \
    return segedu_shuffle(SHUFFLE, m, v, lane, width, line);                                                                   \
  }                                                                                                                            \
  SEGEDU_INLINE T __shfl_up_sync(unsigned m, T v, unsigned delta, int width = 32, int line = __builtin_LINE()) {               \
    return segedu_shuffle(SHUFFLE_UP, m, v, (int)delta, width, line);                                                          \
  }                                                                                                                            \
  SEGEDU_INLINE T __shfl_down_sync(unsigned m, T v, unsigned delta, int width = 32, int line = __builtin_LINE()) {             \
    return segedu_shuffle(SHUFFLE_DOWN, m, v, (int)delta, width, line);                                                        \
  }                                                                                                                            \
  SEGEDU_INLINE T __shfl_xor_sync(unsigned m, T v, int lanes, int width = 32, int line = __builtin_LINE()) {                   \
    return segedu_shuffle(SHUFFLE_XOR, m, v, lanes, width, line);                                                              \
  }
SEGEDU_SHUFFLE(int)
SEGEDU_SHUFFLE(unsigned)
SEGEDU_SHUFFLE(long)
SEGEDU_SHUFFLE(unsigned long)
SEGEDU_SHUFFLE(long long)
SEGEDU_SHUFFLE(unsigned long long)
SEGEDU_SHUFFLE(float)
SEGEDU_SHUFFLE(double)

SEGEDU_INLINE void __syncwarp(unsigned mask = ~0u, int line = __builtin_LINE()) { segedu_warp(WARP_SYNC, mask, 0, 0, 32, line); }
SEGEDU_INLINE unsigned __activemask() { return segedu_active_mask(); }
SEGEDU_INLINE unsigned __ballot_sync(unsigned mask, int p, int line = __builtin_LINE()) {
  return (unsigned)segedu_warp(BALLOT, mask, !!p, 0, 32, line);
}
SEGEDU_INLINE int __any_sync(unsigned mask, int p, int line = __builtin_LINE()) {
  return (int)segedu_warp(ANY, mask, !!p, 0, 32, line);
}
SEGEDU_INLINE int __all_sync(unsigned mask, int p, int line = __builtin_LINE()) {
  return (int)segedu_warp(ALL, mask, !!p, 0, 32, line);
}
template <class T> SEGEDU_INLINE unsigned __match_any_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return (unsigned)segedu_warp(MATCH_ANY, mask, bits, 0, 32, line);
}

// ---------------------------------------------------------------- atomics: the types that CUDA has, no others
#define SEGEDU_ATOMIC(NAME, T, NEW)                                                     \
  SEGEDU_UNSEEN T NAME(T *address, T value, int line = __builtin_LINE()) {              \
    segedu_atomic(address, sizeof(T), line);                                            \
    T old = *address;                                                                   \
    *address = NEW;                                                                     \
    return old;                                                                         \
  }
#define SEGEDU_ATOMIC_INTEGERS(NAME, NEW) \
  SEGEDU_ATOMIC(NAME, int, NEW)           \
  SEGEDU_ATOMIC(NAME, unsigned, NEW)      \
  SEGEDU_ATOMIC(NAME, unsigned long long, NEW)
SEGEDU_ATOMIC_INTEGERS(atomicAdd, old + value)
SEGEDU_ATOMIC(atomicAdd, float, old + value)
SEGEDU_ATOMIC(atomicAdd, double, old + value)
SEGEDU_ATOMIC(atomicSub, int, old - value)
SEGEDU_ATOMIC(atomicSub, unsigned, old - value)
SEGEDU_ATOMIC_INTEGERS(atomicMax, old > value ? old : value)
SEGEDU_ATOMIC(atomicMax, long long, old > value ? old : value)
SEGEDU_ATOMIC_INTEGERS(atomicMin, old < value ? old : value)
SEGEDU_ATOMIC(atomicMin, long long, old < value ? old : value)
SEGEDU_ATOMIC_INTEGERS(atomicAnd, old &value)
SEGEDU_ATOMIC_INTEGERS(atomicOr, old | value)
SEGEDU_ATOMIC_INTEGERS(atomicXor, old ^ value)
SEGEDU_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
SEGEDU_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)
SEGEDU_ATOMIC_INTEGERS(atomicExch, value)
SEGEDU_ATOMIC(atomicExch, float, value)
#define SEGEDU_CAS(T)                                                                            \
  SEGEDU_UNSEEN T atomicCAS(T *address, T expected, T value, int line = __builtin_LINE()) {      \
    segedu_atomic(address, sizeof(T), line);                                                     \
    T old = *address;                                                                            \
    if (old == expected) *address = value;                                                       \
    else segedu_spin();                                                                          \
    return old;                                                                                  \
  }
SEGEDU_CAS(int)
SEGEDU_CAS(unsigned)
SEGEDU_CAS(unsigned long long)
SEGEDU_CAS(unsigned short)

// ---------------------------------------------------------------- types as Python sees them
template <class T> struct SegeduType { static constexpr char code = 'x'; static constexpr int lanes = 1; };
#define SEGEDU_TYPE(T, CODE, LANES) \
  template <> struct SegeduType<T> { static constexpr char code = CODE; static constexpr int lanes = LANES; };
SEGEDU_TYPE(void, 'v', 1)
SEGEDU_TYPE(bool, '?', 1)
#define SEGEDU_TYPES(T, V, CODE) \
  SEGEDU_TYPE(T, CODE, 1)        \
  SEGEDU_TYPE(V##1, CODE, 1)     \
  SEGEDU_TYPE(V##2, CODE, 2)     \
  SEGEDU_TYPE(V##3, CODE, 3)     \
  SEGEDU_TYPE(V##4, CODE, 4)
SEGEDU_TYPES(signed char, char, 'b')
SEGEDU_TYPES(unsigned char, uchar, 'B')
SEGEDU_TYPES(short, short, 'h')
SEGEDU_TYPES(unsigned short, ushort, 'H')
SEGEDU_TYPES(int, int, 'i')
SEGEDU_TYPES(unsigned, uint, 'I')
SEGEDU_TYPES(long long, longlong, 'q')
SEGEDU_TYPES(unsigned long long, ulonglong, 'Q')
SEGEDU_TYPES(float, float, 'f')
SEGEDU_TYPES(double, double, 'd')
SEGEDU_TYPE(char, 'b', 1)
SEGEDU_TYPE(long, (sizeof(long) == 8 ? 'q' : 'i'), 1)
SEGEDU_TYPE(unsigned long, (sizeof(long) == 8 ? 'Q' : 'I'), 1)

template <class T> struct SegeduPlain { typedef T type; };
template <class T> struct SegeduPlain<const T> { typedef T type; };
template <class T> struct SegeduPlain<volatile T> { typedef T type; };
template <class T> struct SegeduPlain<const volatile T> { typedef T type; };

// The shape of a declared array: the sizes of its axes and its item.
template <class T> struct SegeduShape {
  typedef typename SegeduPlain<T>::type Item;
  static constexpr int rank = 0;
  static void fill(unsigned *) {}
};
template <class T, size_t N> struct SegeduShape<T[N]> {
  typedef typename SegeduShape<T>::Item Item;
  static constexpr int rank = 1 + SegeduShape<T>::rank;
  SEGEDU_UNSEEN void fill(unsigned *extent) {
    *extent = N;
    if (rank <= 4) SegeduShape<T>::fill(extent + 1);
  }
};
template <class T> SEGEDU_UNSEEN void segedu_describe(SegeduVariable &v, const char *name, int line) {
  typedef typename SegeduShape<T>::Item Item;
  v.size = sizeof(T), v.align = alignof(T), v.item = sizeof(Item), v.type = SegeduType<Item>::code;
  v.rank = SegeduShape<T>::rank, v.line = line;
  SegeduShape<T>::fill(v.extent);
  for (int i = 0; i < 42 && name[i]; ++i) v.name[i] = name[i];
}
template <class T> SEGEDU_UNSEEN char *segedu_place(SegeduVariable &v, const char *name, int line) {
  if (!v.size) segedu_describe<T>(v, name, line);
  return segedu_shared(&v);
}
template <class T> static int segedu_global(SegeduVariable &v, T &variable, const char *name, int line, int constant) {
  segedu_describe<T>(v, name, line);
  v.address = (char *)&variable, v.constant = constant;
  return segedu_register(&v);
}

// ---------------------------------------------------------------- calling a kernel, and what its arguments are
struct SegeduArgument {
  int kind, code, lanes, size;  // kind: 'P' pointer, 'C' pointer to const, 'V' value
};
template <class T> struct SegeduDescribe {
  static void fill(SegeduArgument *a) { *a = {'V', SegeduType<T>::code, SegeduType<T>::lanes, sizeof(T)}; }
};
template <class T> struct SegeduSize { static constexpr int value = sizeof(T); };
template <> struct SegeduSize<void> { static constexpr int value = 1; };
template <class T, int KIND> struct SegeduPointer {
  static void fill(SegeduArgument *a) { *a = {KIND, SegeduType<T>::code, SegeduType<T>::lanes, SegeduSize<T>::value}; }
};
template <class T> struct SegeduDescribe<T *> : SegeduPointer<T, 'P'> {};
template <class T> struct SegeduDescribe<const T *> : SegeduPointer<T, 'C'> {};
template <class T> struct SegeduDescribe<volatile T *> : SegeduPointer<T, 'P'> {};
template <class T> struct SegeduDescribe<const volatile T *> : SegeduPointer<T, 'C'> {};
template <class T> struct SegeduDescribe<T *__restrict__> : SegeduDescribe<T *> {};

template <size_t... I> struct SegeduSequence {};
template <size_t N, size_t... I> struct SegeduCount : SegeduCount<N - 1, N - 1, I...> {};
template <size_t... I> struct SegeduCount<0, I...> { typedef SegeduSequence<I...> type; };

template <auto K> struct SegeduKernel {
  static_assert(sizeof(K) == 0, "a kernel is a __global__ function that returns void");
};
template <class... A, void (*K)(A...)> struct SegeduKernel<K> {
  template <size_t... I>
  __attribute__((no_sanitize("thread"))) static void unpack(void **arguments, SegeduSequence<I...>) {
    K(*(typename SegeduPlain<A>::type *)arguments[I]...);
  }
  __attribute__((no_sanitize("thread"))) static void call(void **arguments) {
    unpack(arguments, typename SegeduCount<sizeof...(A)>::type());
  }
  static int describe(SegeduArgument *a) {
    (SegeduDescribe<A>::fill(a++), ...);
    return sizeof...(A);
  }
};
#define SEGEDU_KERNEL(ID, ...)                                                                               \
  SEGEDU_EXPORT void segedu_call_##ID(void **arguments) { SegeduKernel<&__VA_ARGS__>::call(arguments); }     \
  SEGEDU_EXPORT int segedu_describe_##ID(void *a) { return SegeduKernel<&__VA_ARGS__>::describe((SegeduArgument *)a); }
