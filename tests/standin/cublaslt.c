// cuBLASLt: products of matrices in column-major order, summed in double precision.
#include "standin.h"

enum { NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };
enum { CUDA_R_32F = 0, CUDA_R_64F = 1, CUDA_R_16F = 2, CUDA_R_16BF = 14 };

struct matrix { void *at; int type; size_t rows, columns, step; }; // step: from one column to the next
struct operation { struct handle handle; int scale; };
struct layout { struct handle handle; struct matrix matrix; };
struct heuristic { uint64_t algorithm[8]; size_t workspace; int state; float waves; int reserved[4]; };
struct product { double alpha, beta; struct matrix a, b, c, d; };

// ---- Handles

static int create(const char *symbol, void *handle, enum tag tag, size_t bytes) {
    TRY(injected(symbol, EXECUTION_FAILED));
    *(void **)handle = new_handle(tag, bytes);
    return 0;
}

static int destroy(const char *symbol, void *handle, enum tag tag) {
    TRY(injected(symbol, EXECUTION_FAILED));
    CHECK(is(handle, tag), INVALID_VALUE);
    kill_handle(handle);
    return 0;
}

EXPORT size_t cublasLtGetVersion(void) { return 120200; }

EXPORT int cublasLtCreate(struct handle **handle) {
    CHECK(initialised && !sticky, NOT_INITIALIZED);
    return create(__func__, handle, BLAS, sizeof **handle);
}

EXPORT int cublasLtDestroy(struct handle *handle) { return destroy(__func__, handle, BLAS); }

EXPORT int cublasLtMatmulDescCreate(struct operation **operation, int compute, int scale) {
    CHECK(scale == CUDA_R_32F || scale == CUDA_R_64F, NOT_SUPPORTED);
    TRY(create(__func__, operation, OPERATION, sizeof **operation));
    (*operation)->scale = scale == CUDA_R_64F ? F64 : F32;
    return 0;
}

EXPORT int cublasLtMatmulDescDestroy(struct operation *operation) {
    return destroy(__func__, operation, OPERATION);
}

static int type_of(int type) {
    switch (type) {
    case CUDA_R_32F: return F32;
    case CUDA_R_64F: return F64;
    case CUDA_R_16F: return F16;
    case CUDA_R_16BF: return BF16;
    default: return -1;
    }
}

EXPORT int cublasLtMatrixLayoutCreate(struct layout **layout, int type, uint64_t rows, uint64_t columns,
                                      int64_t step) {
    CHECK(step >= 0 && (uint64_t)step >= rows, INVALID_VALUE);
    CHECK(type_of(type) >= 0, NOT_SUPPORTED);
    TRY(create(__func__, layout, LAYOUT, sizeof **layout));
    (*layout)->matrix = (struct matrix){ NULL, type_of(type), rows, columns, (size_t)step };
    return 0;
}

EXPORT int cublasLtMatrixLayoutDestroy(struct layout *layout) { return destroy(__func__, layout, LAYOUT); }

EXPORT int cublasLtMatmulPreferenceCreate(struct handle **preference) {
    return create(__func__, preference, PREFERENCE, sizeof **preference);
}

EXPORT int cublasLtMatmulPreferenceSetAttribute(struct handle *preference, int attribute,
                                                const void *value, size_t bytes) {
    TRY(injected(__func__, EXECUTION_FAILED));
    return is(preference, PREFERENCE) ? 0 : INVALID_VALUE;
}

EXPORT int cublasLtMatmulPreferenceDestroy(struct handle *preference) {
    return destroy(__func__, preference, PREFERENCE);
}

// ---- Products

static int check(struct handle *handle, struct operation *operation, struct layout *const layouts[4]) {
    CHECK(is(handle, BLAS) && is(operation, OPERATION), INVALID_VALUE);
    for (int i = 0; i < 4; i++) CHECK(is(layouts[i], LAYOUT), INVALID_VALUE);
    const struct matrix *a = &layouts[0]->matrix, *b = &layouts[1]->matrix;
    const struct matrix *c = &layouts[2]->matrix, *d = &layouts[3]->matrix;
    CHECK(a->columns == b->rows && a->rows == d->rows && b->columns == d->columns, INVALID_VALUE);
    CHECK(c->rows == d->rows && c->columns == d->columns, INVALID_VALUE);
    bool same = a->type == b->type && a->type == c->type && a->type == d->type;
    return same && (a->type == F64) == (operation->scale == F64) ? 0 : NOT_SUPPORTED;
}

EXPORT int cublasLtMatmulAlgoGetHeuristic(struct handle *handle, struct operation *operation,
                                          struct layout *a, struct layout *b, struct layout *c,
                                          struct layout *d, struct handle *preference, int wanted,
                                          struct heuristic *results, int *found) {
    TRY(injected(__func__, EXECUTION_FAILED));
    TRY(check(handle, operation, (struct layout *[]){ a, b, c, d }));
    CHECK(is(preference, PREFERENCE) && wanted >= 1, INVALID_VALUE);
    memset(results, 0, sizeof *results);
    *found = 1;
    return 0;
}

static bool whole(const struct matrix *x) {
    size_t elements = x->rows && x->columns ? (x->columns - 1) * x->step + x->rows : 0;
    return valid(x->at, elements, type_bytes[x->type]);
}

static double *widened(const struct matrix *x) {
    double *wide = claim(x->rows * x->columns * sizeof *wide);
    for (size_t j = 0; j < x->columns; j++)
        for (size_t i = 0; i < x->rows; i++)
            wide[j * x->rows + i] = get(x->at, x->type, j * x->step + i);
    return wide;
}

// Column j of D, with the column of A·B at hand.
static void store(const struct product *p, size_t j, const double *column) {
    for (size_t i = 0; i < p->d.rows; i++) {
        double value = p->alpha * column[i];
        if (p->beta != 0) value += p->beta * get(p->c.at, p->c.type, j * p->c.step + i); // 0 ignores a NaN
        put(p->d.at, p->d.type, j * p->d.step + i, value);
    }
}

static int run_product(const void *argument) {
    const struct product *p = argument;
    CHECK(whole(&p->a) && whole(&p->b) && whole(&p->d), CU_ILLEGAL_ADDRESS);
    CHECK(p->beta == 0 || whole(&p->c), CU_ILLEGAL_ADDRESS);
    size_t m = p->a.rows, k = p->a.columns;
    double *a = widened(&p->a), *b = widened(&p->b), *column = claim(m * sizeof *column);
    for (size_t j = 0; j < p->b.columns; j++) {
        memset(column, 0, m * sizeof *column);
        for (size_t l = 0; l < k; l++)
            for (size_t i = 0; i < m; i++) column[i] += a[l * m + i] * b[j * k + l];
        store(p, j, column);
    }
    free(a);
    free(b);
    free(column);
    return 0;
}

static struct matrix placed(const struct layout *layout, const void *at) {
    struct matrix matrix = layout->matrix;
    matrix.at = (void *)at;
    return matrix;
}

// As a kernel that waits for something that never comes.
static int run_forever(const void *argument) {
    while (pause()) continue;
    return 0;
}

EXPORT int cublasLtMatmul(struct handle *handle, struct operation *operation, const void *alpha,
                          const void *a, struct layout *la, const void *b, struct layout *lb,
                          const void *beta, const void *c, struct layout *lc, void *d, struct layout *ld,
                          const void *algorithm, void *workspace, size_t workspace_bytes,
                          struct stream *s) {
    TRY(injected(__func__, EXECUTION_FAILED));
    TRY(check(handle, operation, (struct layout *[]){ la, lb, lc, ld }));
    CHECK(is(s, STREAM) && alpha && beta, INVALID_VALUE);
    CHECK(!sticky && valid(workspace, workspace_bytes, 1), EXECUTION_FAILED);
    struct product product = { get(alpha, operation->scale, 0), get(beta, operation->scale, 0),
                               placed(la, a), placed(lb, b), placed(lc, c), placed(ld, d) };
    submit(s, hangs() ? run_forever : run_product, &product, sizeof product);
    return 0;
}
