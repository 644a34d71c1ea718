// cuBLASLt: products of matrices in column-major order, summed in double precision.
#include "standin.h"

enum { NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };
enum { CUDA_R_32F = 0, CUDA_R_64F = 1, CUDA_R_16F = 2, CUDA_R_8I = 3, CUDA_R_32I = 10, CUDA_R_16BF = 14,
       CUDA_R_8F_E4M3 = 28, CUDA_R_8F_E5M2 = 29 };
enum { COMPUTE_32I = 72, OP_N = 0, OP_T = 1 };
enum { CONFIG_ID = 0, CONFIG_STAGES = 6 };
enum { ALGORITHM = 60, ALGORITHMS = 3, REFUSED = 61 }; // the first one's number, how many, and one that refuses to run
enum { TRANSA = 3, TRANSB = 4, A_SCALE = 17, B_SCALE = 18, D_SCALE = 20 };

struct matrix { void *at; int type; size_t rows, columns, step; }; // step: from one column to the next
struct operation { struct handle handle; int compute, scale, turned[2]; const float *scales[3]; }; // of A, B and D
struct layout { struct handle handle; struct matrix matrix; };
struct heuristic { uint64_t algorithm[8]; size_t workspace; int state; float waves; int reserved[4]; };
struct product { double alpha, beta; bool turned[2]; const float *scales[3]; struct matrix a, b, c, d; };

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

EXPORT const char *cublasLtGetStatusName(int code) {
    switch (code) {
    case NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "unknown CUBLAS status";
    }
}

EXPORT size_t cublasLtGetVersion(void) { return 120200; }

EXPORT int cublasLtCreate(struct handle **handle) {
    CHECK(initialised && !sticky, NOT_INITIALIZED);
    return create(__func__, handle, BLAS, sizeof **handle);
}

EXPORT int cublasLtDestroy(struct handle *handle) { return destroy(__func__, handle, BLAS); }

EXPORT int cublasLtMatmulDescCreate(struct operation **operation, int compute, int scale) {
    CHECK(scale == CUDA_R_32F || scale == CUDA_R_64F || scale == CUDA_R_32I, NOT_SUPPORTED);
    TRY(create(__func__, operation, OPERATION, sizeof **operation));
    (*operation)->compute = compute;
    (*operation)->scale = scale == CUDA_R_64F ? F64 : scale == CUDA_R_32I ? I32 : F32;
    return 0;
}

EXPORT int cublasLtMatmulDescSetAttribute(struct operation *operation, int attribute, const void *value,
                                          size_t bytes) {
    TRY(injected(__func__, EXECUTION_FAILED));
    CHECK(is(operation, OPERATION) && value, INVALID_VALUE);
    switch (attribute) {
    case TRANSA: case TRANSB:
        CHECK(bytes == sizeof(int), INVALID_VALUE);
        operation->turned[attribute - TRANSA] = *(const int *)value;
        return 0;
    case A_SCALE: case B_SCALE: case D_SCALE:
        CHECK(bytes == sizeof(void *), INVALID_VALUE);
        operation->scales[attribute == D_SCALE ? 2 : attribute - A_SCALE] = *(const float *const *)value;
        return 0;
    default: return INVALID_VALUE;
    }
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
    case CUDA_R_8I: return I8;
    case CUDA_R_32I: return I32;
    case CUDA_R_8F_E4M3: return F8E4M3;
    case CUDA_R_8F_E5M2: return F8E5M2;
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

static bool is_fp8(int type) { return type == F8E4M3 || type == F8E5M2; }

// The products that the documentation's tables of cublasLtMatmul have, of those types that are known here.
static bool types_fit(const struct operation *operation, int a, int b, int c, int d) {
    if (a == I8) return b == I8 && c == I32 && d == I32 && operation->scale == I32;
    if (is_fp8(a)) {
        bool wide = c == BF16 || c == F16;
        bool results = d == c ? wide || c == F32 : wide && (d == F8E4M3 || (d == F8E5M2 && (a == d || b == d)));
        return is_fp8(b) && !(a == F8E5M2 && b == F8E5M2) && results && operation->scale == F32;
    }
    return a == b && a == c && a == d && (a == F64) == (operation->scale == F64) && operation->scale != I32;
}

static bool multiple(const struct matrix *x, size_t bytes) { return x->step * type_bytes[x->type] % bytes == 0; }

// Of these types only A transposed and B as it is, in columns that begin at multiples of so many bytes; 0 for others.
static size_t alignment(const struct matrix *a) { return is_fp8(a->type) ? 16 : a->type == I8 ? 4 : 0; }

static int check(struct handle *handle, struct operation *operation, struct layout *const layouts[4]) {
    CHECK(is(handle, BLAS) && is(operation, OPERATION), INVALID_VALUE);
    for (int i = 0; i < 4; i++) CHECK(is(layouts[i], LAYOUT), INVALID_VALUE);
    const struct matrix *a = &layouts[0]->matrix, *b = &layouts[1]->matrix;
    const struct matrix *c = &layouts[2]->matrix, *d = &layouts[3]->matrix;
    bool turned = operation->turned[0] == OP_T;
    CHECK((turned ? a->rows : a->columns) == b->rows, INVALID_VALUE);
    CHECK((turned ? a->columns : a->rows) == d->rows && b->columns == d->columns, INVALID_VALUE);
    CHECK(c->rows == d->rows && c->columns == d->columns, INVALID_VALUE);
    CHECK(operation->turned[1] == OP_N, NOT_SUPPORTED);
    CHECK(types_fit(operation, a->type, b->type, c->type, d->type), NOT_SUPPORTED);
    CHECK((operation->compute == COMPUTE_32I) == (a->type == I8), NOT_SUPPORTED);
    size_t bytes = alignment(a);
    if (bytes) CHECK(turned && multiple(a, bytes) && multiple(b, bytes) && multiple(d, bytes), NOT_SUPPORTED);
    return 0;
}

EXPORT int cublasLtMatmulAlgoGetHeuristic(struct handle *handle, struct operation *operation,
                                          struct layout *a, struct layout *b, struct layout *c,
                                          struct layout *d, struct handle *preference, int wanted,
                                          struct heuristic *results, int *found) {
    TRY(injected(__func__, EXECUTION_FAILED));
    TRY(check(handle, operation, (struct layout *[]){ a, b, c, d }));
    CHECK(is(preference, PREFERENCE) && wanted >= 1, INVALID_VALUE);
    *found = wanted < ALGORITHMS ? wanted : ALGORITHMS;
    for (int i = 0; i < *found; i++) results[i] = (struct heuristic){ .algorithm = { ALGORITHM + i } };
    return 0;
}

// Numbers that tell the algorithms apart.
EXPORT int cublasLtMatmulAlgoConfigGetAttribute(const uint64_t *algorithm, int attribute, void *value, size_t bytes,
                                                size_t *written) {
    TRY(injected(__func__, EXECUTION_FAILED));
    CHECK(algorithm && value && bytes == sizeof(uint32_t), INVALID_VALUE);
    CHECK(attribute >= CONFIG_ID && attribute <= CONFIG_STAGES, INVALID_VALUE);
    *(uint32_t *)value = attribute == CONFIG_ID ? (uint32_t)*algorithm : (uint32_t)attribute;
    *written = bytes;
    return 0;
}

static bool whole(const struct matrix *x) {
    size_t elements = x->rows && x->columns ? (x->columns - 1) * x->step + x->rows : 0;
    return valid(x->at, elements, type_bytes[x->type]);
}

static double number(const void *from, int type, size_t i) {
    return type == I8 || type == I32 ? (double)get_whole(from, type, i) : get(from, type, i);
}

static double *widened(const struct matrix *x) {
    double *wide = claim(x->rows * x->columns * sizeof *wide);
    for (size_t j = 0; j < x->columns; j++)
        for (size_t i = 0; i < x->rows; i++)
            wide[j * x->rows + i] = number(x->at, x->type, j * x->step + i);
    return wide;
}

// Column j of D, with the column of A·B at hand.
static void store(const struct product *p, size_t j, const double *column) {
    for (size_t i = 0; i < p->d.rows; i++) {
        double value = p->alpha * column[i];
        if (p->beta != 0) value += p->beta * number(p->c.at, p->c.type, j * p->c.step + i); // 0 ignores a NaN
        for (int s = 0; s < 3; s++) value *= p->scales[s] ? *p->scales[s] : 1;
        if (p->d.type == I32) ((int32_t *)p->d.at)[j * p->d.step + i] = (int32_t)value;
        else put(p->d.at, p->d.type, j * p->d.step + i, value);
    }
}

static int run_product(const void *argument) {
    const struct product *p = argument;
    CHECK(whole(&p->a) && whole(&p->b) && whole(&p->d), CU_ILLEGAL_ADDRESS);
    CHECK(p->beta == 0 || whole(&p->c), CU_ILLEGAL_ADDRESS);
    for (int s = 0; s < 3; s++) CHECK(!p->scales[s] || valid(p->scales[s], 1, sizeof(float)), CU_ILLEGAL_ADDRESS);
    bool turned = p->turned[0];
    size_t m = turned ? p->a.columns : p->a.rows, k = p->b.rows;
    double *a = widened(&p->a), *b = widened(&p->b), *column = claim(m * sizeof *column);
    for (size_t j = 0; j < p->b.columns; j++) {
        memset(column, 0, m * sizeof *column);
        for (size_t l = 0; l < k; l++)
            for (size_t i = 0; i < m; i++) column[i] += a[turned ? i * k + l : l * m + i] * b[j * k + l];
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
                          const uint64_t *algorithm, void *workspace, size_t workspace_bytes,
                          struct stream *s) {
    TRY(injected(__func__, EXECUTION_FAILED));
    TRY(check(handle, operation, (struct layout *[]){ la, lb, lc, ld }));
    CHECK(is(s, STREAM) && alpha && beta, INVALID_VALUE);
    CHECK(*algorithm >= ALGORITHM && *algorithm < ALGORITHM + ALGORITHMS, INVALID_VALUE);
    CHECK(*algorithm != REFUSED, NOT_SUPPORTED);
    CHECK(!sticky && valid(workspace, workspace_bytes, 1), EXECUTION_FAILED);
    struct product product = { number(alpha, operation->scale, 0), number(beta, operation->scale, 0),
                               { operation->turned[0], operation->turned[1] },
                               { operation->scales[0], operation->scales[1], operation->scales[2] },
                               placed(la, a), placed(lb, b), placed(lc, c), placed(ld, d) };
    size_t bytes = alignment(&product.a);
    if (bytes) CHECK(!((uintptr_t)a % bytes || (uintptr_t)b % bytes || (uintptr_t)d % bytes), NOT_SUPPORTED);
    submit(s, hangs() ? run_forever : run_product, &product, sizeof product);
    return 0;
}
