/* The bandwidth of memory after STREAM (J. D. McCalpin, "Memory Bandwidth and Machine Balance in Current High
 * Performance Computers", IEEE TCCA Newsletter, 1995): copy a = b and triad a = b + s*c.
 *
 * Each does its work `repeats` times over n numbers, so that the call itself does not count. The arrays are aligned
 * to 64 bytes and do not overlap. Non-temporal stores go past the caches and save reading what is overwritten; where
 * there are none, `stream_has_nontemporal` says so and plain stores take their place. */
#include <stddef.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { WIDTH = 8 };
typedef __m512d vector;
#define LOAD(p) _mm512_load_pd(p)
#define STREAM(p, v) _mm512_stream_pd(p, v)
#define MADD(b, s, c) _mm512_add_pd(b, _mm512_mul_pd(s, c))
#define SPREAD(s) _mm512_set1_pd(s)
#define NONTEMPORAL 1
#elif defined(__AVX__)
enum { WIDTH = 4 };
typedef __m256d vector;
#define LOAD(p) _mm256_load_pd(p)
#define STREAM(p, v) _mm256_stream_pd(p, v)
#define MADD(b, s, c) _mm256_add_pd(b, _mm256_mul_pd(s, c))
#define SPREAD(s) _mm256_set1_pd(s)
#define NONTEMPORAL 1
#elif defined(__SSE2__)
enum { WIDTH = 2 };
typedef __m128d vector;
#define LOAD(p) _mm_load_pd(p)
#define STREAM(p, v) _mm_stream_pd(p, v)
#define MADD(b, s, c) _mm_add_pd(b, _mm_mul_pd(s, c))
#define SPREAD(s) _mm_set1_pd(s)
#define NONTEMPORAL 1
#endif

/* What one turn stored, the next must not be known to store again. */
#define TURN_IS_OVER() __asm__ volatile("" ::: "memory")

static const double SCALE = 3.0;

int stream_has_nontemporal(void)
{
#if defined(NONTEMPORAL)
    return 1;
#else
    return 0;
#endif
}

void stream_copy(double *restrict a, const double *restrict b, size_t n, size_t repeats)
{
    for (size_t turn = 0; turn < repeats; turn++) {
        for (size_t i = 0; i < n; i++)
            a[i] = b[i];
        TURN_IS_OVER();
    }
}

void stream_triad(double *restrict a, const double *restrict b, const double *restrict c, size_t n, size_t repeats)
{
    for (size_t turn = 0; turn < repeats; turn++) {
        for (size_t i = 0; i < n; i++)
            a[i] = b[i] + SCALE * c[i];
        TURN_IS_OVER();
    }
}

void stream_copy_nontemporal(double *restrict a, const double *restrict b, size_t n, size_t repeats)
{
#if defined(NONTEMPORAL)
    for (size_t turn = 0; turn < repeats; turn++) {
        size_t i = 0;
        for (; i + WIDTH <= n; i += WIDTH)
            STREAM(a + i, LOAD(b + i));
        for (; i < n; i++)
            a[i] = b[i];
        _mm_sfence();
        TURN_IS_OVER();
    }
#else
    stream_copy(a, b, n, repeats);
#endif
}

void stream_triad_nontemporal(double *restrict a, const double *restrict b, const double *restrict c, size_t n,
                              size_t repeats)
{
#if defined(NONTEMPORAL)
    const vector scale = SPREAD(SCALE);
    for (size_t turn = 0; turn < repeats; turn++) {
        size_t i = 0;
        for (; i + WIDTH <= n; i += WIDTH)
            STREAM(a + i, MADD(LOAD(b + i), scale, LOAD(c + i)));
        for (; i < n; i++)
            a[i] = b[i] + SCALE * c[i];
        _mm_sfence();
        TURN_IS_OVER();
    }
#else
    stream_triad(a, b, c, n, repeats);
#endif
}
