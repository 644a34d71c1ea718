// STREAM's triad a = b + s*c with stores that go around the caches, as a program that tesserabench measures: one thread,
// each iteration timed, the result printed for the same check that tesserabench's own kernel has.
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double *filled(const char *name, size_t *n) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("TESSERABENCH_INPUTS"), name);
    FILE *file = fopen(path, "rb");
    if (!file) exit(1);
    fseek(file, 0, SEEK_END);
    *n = ftell(file) / sizeof(double);
    rewind(file);
    double *values = aligned_alloc(4096, (*n * sizeof(double) + 4095) / 4096 * 4096);
    if (!values || fread(values, sizeof(double), *n, file) != *n) exit(1);
    fclose(file);
    return values;
}

static void triad(double *a, const double *b, const double *c, double s, size_t n) {
    const __m256d factor = _mm256_set1_pd(s);
    for (size_t i = 0; i < n; i += 4) {
        const __m256d product = _mm256_mul_pd(factor, _mm256_load_pd(c + i));
        _mm256_stream_pd(a + i, _mm256_add_pd(_mm256_load_pd(b + i), product));
    }
    _mm_sfence();
}

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000ll + at.tv_nsec;
}

int main(void) {
    if (strcmp(getenv("TESSERABENCH_PRECISION"), "f64")) {
        fputs("this triad is for f64\n", stderr);
        return 1;
    }
    size_t n, other;
    double *b = filled("b", &n), *c = filled("c", &other);
    double *a = aligned_alloc(4096, (n * sizeof(double) + 4095) / 4096 * 4096);
    if (!a || n != other || n % 4) return 1;
    memset(a, 0, n * sizeof(double));
    const int warmup = atoi(getenv("TESSERABENCH_WARMUP")), iterations = atoi(getenv("TESSERABENCH_ITERATIONS"));
    for (int i = 0; i < warmup; i++) triad(a, b, c, 3, n);
    for (int i = 0; i < iterations; i++) {
        const long long began = now();
        triad(a, b, c, 3, n);
        printf("{\"latency_ms\": %.6f}\n", 1e-6 * (now() - began));
    }
    printf("{\"output\": [");
    for (size_t i = 0; i < n; i++) printf(i ? ",%.17g" : "%.17g", a[i]);
    puts("]}");
    return 0;
}
