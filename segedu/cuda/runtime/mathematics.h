// The maths that CUDA C has without a header. libm is declared by hand.
#pragma once
#include "interface.h"

#ifdef _WIN32
#define SEGEDU_NOEXCEPT
#else
#define SEGEDU_NOEXCEPT noexcept
#endif
#define SEGEDU_FAST static inline __attribute__((always_inline))

#define SEGEDU_UNARY(n)                              \
  extern "C" double n(double) SEGEDU_NOEXCEPT;       \
  extern "C" float n##f(float) SEGEDU_NOEXCEPT;      \
  SEGEDU_FAST float n(float x) { return n##f(x); }
#define SEGEDU_BINARY(n)                                  \
  extern "C" double n(double, double) SEGEDU_NOEXCEPT;    \
  extern "C" float n##f(float, float) SEGEDU_NOEXCEPT;    \
  SEGEDU_FAST float n(float x, float y) { return n##f(x, y); }
SEGEDU_UNARY(sqrt) SEGEDU_UNARY(cbrt) SEGEDU_UNARY(exp) SEGEDU_UNARY(exp2) SEGEDU_UNARY(expm1) SEGEDU_UNARY(log)
SEGEDU_UNARY(log2) SEGEDU_UNARY(log10) SEGEDU_UNARY(log1p) SEGEDU_UNARY(sin) SEGEDU_UNARY(cos) SEGEDU_UNARY(tan)
SEGEDU_UNARY(asin) SEGEDU_UNARY(acos) SEGEDU_UNARY(atan) SEGEDU_UNARY(sinh) SEGEDU_UNARY(cosh) SEGEDU_UNARY(tanh)
SEGEDU_UNARY(asinh) SEGEDU_UNARY(acosh) SEGEDU_UNARY(atanh) SEGEDU_UNARY(erf) SEGEDU_UNARY(erfc) SEGEDU_UNARY(tgamma)
SEGEDU_UNARY(lgamma) SEGEDU_UNARY(floor) SEGEDU_UNARY(ceil) SEGEDU_UNARY(round) SEGEDU_UNARY(trunc) SEGEDU_UNARY(rint)
SEGEDU_UNARY(nearbyint) SEGEDU_UNARY(fabs)
SEGEDU_BINARY(pow) SEGEDU_BINARY(fmod) SEGEDU_BINARY(fmax) SEGEDU_BINARY(fmin) SEGEDU_BINARY(atan2) SEGEDU_BINARY(hypot)
SEGEDU_BINARY(copysign) SEGEDU_BINARY(fdim) SEGEDU_BINARY(remainder)
extern "C" {
double fma(double, double, double) SEGEDU_NOEXCEPT;
float fmaf(float, float, float) SEGEDU_NOEXCEPT;
double ldexp(double, int) SEGEDU_NOEXCEPT;
float ldexpf(float, int) SEGEDU_NOEXCEPT;
void *memcpy(void *, const void *, size_t) SEGEDU_NOEXCEPT;
void *memset(void *, int, size_t) SEGEDU_NOEXCEPT;
}
SEGEDU_FAST float fma(float a, float b, float c) { return fmaf(a, b, c); }
SEGEDU_FAST float pow(float a, int b) { return powf(a, (float)b); }
SEGEDU_FAST double pow(double a, int b) { return pow(a, (double)b); }
SEGEDU_FAST int lroundf(float x) { return (int)roundf(x); }
SEGEDU_FAST int lrintf(float x) { return (int)rintf(x); }
SEGEDU_FAST float exp10f(float x) { return powf(10.f, x); }
SEGEDU_FAST double exp10(double x) { return pow(10., x); }
SEGEDU_FAST float rsqrtf(float x) { return 1.f / sqrtf(x); }
SEGEDU_FAST double rsqrt(double x) { return 1. / sqrt(x); }
SEGEDU_FAST float rsqrt(float x) { return 1.f / sqrtf(x); }
SEGEDU_FAST float rcbrtf(float x) { return 1.f / cbrtf(x); }
SEGEDU_FAST void sincosf(float x, float *s, float *c) { *s = sinf(x), *c = cosf(x); }
SEGEDU_FAST void sincos(double x, double *s, double *c) { *s = sin(x), *c = cos(x); }
SEGEDU_FAST float fdividef(float a, float b) { return a / b; }

#define SEGEDU_CLASS(T)                                              \
  SEGEDU_FAST bool isnan(T x) { return __builtin_isnan(x); }         \
  SEGEDU_FAST bool isinf(T x) { return __builtin_isinf(x); }         \
  SEGEDU_FAST bool isfinite(T x) { return __builtin_isfinite(x); }   \
  SEGEDU_FAST bool signbit(T x) { return __builtin_signbit(x); }
SEGEDU_CLASS(float) SEGEDU_CLASS(double)

#define SEGEDU_EXTREMES(A, B, T)                                         \
  SEGEDU_FAST T max(A a, B b) { return (T)a > (T)b ? (T)a : (T)b; }      \
  SEGEDU_FAST T min(A a, B b) { return (T)a < (T)b ? (T)a : (T)b; }
SEGEDU_EXTREMES(int, int, int) SEGEDU_EXTREMES(unsigned, unsigned, unsigned) SEGEDU_EXTREMES(int, unsigned, unsigned)
SEGEDU_EXTREMES(unsigned, int, unsigned) SEGEDU_EXTREMES(long, long, long)
SEGEDU_EXTREMES(unsigned long, unsigned long, unsigned long) SEGEDU_EXTREMES(long long, long long, long long)
SEGEDU_EXTREMES(unsigned long long, unsigned long long, unsigned long long)
SEGEDU_FAST float max(float a, float b) { return fmaxf(a, b); }
SEGEDU_FAST float min(float a, float b) { return fminf(a, b); }
SEGEDU_FAST double max(double a, double b) { return fmax(a, b); }
SEGEDU_FAST double min(double a, double b) { return fmin(a, b); }
SEGEDU_FAST double max(float a, double b) { return fmax((double)a, b); }
SEGEDU_FAST double min(float a, double b) { return fmin((double)a, b); }
SEGEDU_FAST double max(double a, float b) { return fmax(a, (double)b); }
SEGEDU_FAST double min(double a, float b) { return fmin(a, (double)b); }
SEGEDU_FAST int abs(int x) { return x < 0 ? -x : x; }
SEGEDU_FAST long abs(long x) { return x < 0 ? -x : x; }
SEGEDU_FAST long long abs(long long x) { return x < 0 ? -x : x; }
SEGEDU_FAST long long llabs(long long x) { return x < 0 ? -x : x; }
SEGEDU_FAST float abs(float x) { return fabsf(x); }
SEGEDU_FAST double abs(double x) { return fabs(x); }

// Intrinsics: on a GPU they trade accuracy for speed; here they are exact.
SEGEDU_FAST float __expf(float x) { return expf(x); }
SEGEDU_FAST float __exp10f(float x) { return exp10f(x); }
SEGEDU_FAST float __logf(float x) { return logf(x); }
SEGEDU_FAST float __log2f(float x) { return log2f(x); }
SEGEDU_FAST float __log10f(float x) { return log10f(x); }
SEGEDU_FAST float __powf(float a, float b) { return powf(a, b); }
SEGEDU_FAST float __sinf(float x) { return sinf(x); }
SEGEDU_FAST float __cosf(float x) { return cosf(x); }
SEGEDU_FAST float __tanf(float x) { return tanf(x); }
SEGEDU_FAST void __sincosf(float x, float *s, float *c) { sincosf(x, s, c); }
SEGEDU_FAST float __fdividef(float a, float b) { return a / b; }
SEGEDU_FAST float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
SEGEDU_FAST float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
SEGEDU_FAST double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
SEGEDU_FAST float __fadd_rn(float a, float b) { return a + b; }
SEGEDU_FAST float __fsub_rn(float a, float b) { return a - b; }
SEGEDU_FAST float __fmul_rn(float a, float b) { return a * b; }
SEGEDU_FAST float __fdiv_rn(float a, float b) { return a / b; }
SEGEDU_FAST float __frcp_rn(float x) { return 1.f / x; }
SEGEDU_FAST float __fsqrt_rn(float x) { return sqrtf(x); }
SEGEDU_FAST float __frsqrt_rn(float x) { return 1.f / sqrtf(x); }

template <class T, class F> SEGEDU_FAST T segedu_bits(F from) {
  T to;
  __builtin_memcpy(&to, &from, sizeof(T));
  return to;
}
SEGEDU_FAST float __int_as_float(int x) { return segedu_bits<float>(x); }
SEGEDU_FAST int __float_as_int(float x) { return segedu_bits<int>(x); }
SEGEDU_FAST float __uint_as_float(unsigned x) { return segedu_bits<float>(x); }
SEGEDU_FAST unsigned __float_as_uint(float x) { return segedu_bits<unsigned>(x); }
SEGEDU_FAST double __longlong_as_double(long long x) { return segedu_bits<double>(x); }
SEGEDU_FAST long long __double_as_longlong(double x) { return segedu_bits<long long>(x); }
SEGEDU_FAST int __float2int_rn(float x) { return (int)rintf(x); }
SEGEDU_FAST int __float2int_rz(float x) { return (int)x; }
SEGEDU_FAST int __float2int_rd(float x) { return (int)floorf(x); }
SEGEDU_FAST int __float2int_ru(float x) { return (int)ceilf(x); }
SEGEDU_FAST unsigned __float2uint_rn(float x) { return (unsigned)rintf(x); }
SEGEDU_FAST float __int2float_rn(int x) { return (float)x; }

SEGEDU_FAST int __popc(unsigned x) { return __builtin_popcount(x); }
SEGEDU_FAST int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
SEGEDU_FAST int __ffs(int x) { return __builtin_ffs(x); }
SEGEDU_FAST int __ffsll(long long x) { return __builtin_ffsll(x); }
SEGEDU_FAST int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
SEGEDU_FAST int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
SEGEDU_FAST unsigned __brev(unsigned x) {
  unsigned r = 0;
  for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i);
  return r;
}
SEGEDU_FAST int __mul24(int a, int b) { return a * b; }
SEGEDU_FAST unsigned __umul24(unsigned a, unsigned b) { return a * b; }
SEGEDU_FAST int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
SEGEDU_FAST unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
template <class T> SEGEDU_FAST T __ldg(const T *address) { return *address; }
