// The program's kernels, known by their names, and the modules that they come from.
#include "standin.h"

#include <math.h>

union argument { void *at; uint32_t u32; uint64_t u64; float f32; double f64; };

// Holds the stream until the host has written the ticket, or time is up.
static int run_blocking(const void *argument) {
    const union argument *arg = argument;
    CHECK(valid(arg[0].at, 3, sizeof(uint32_t)), CU_ILLEGAL_ADDRESS);
    uint32_t *words = arg[0].at, ticket = arg[1].u32;
    uint64_t begin = now_ns();
    __atomic_store_n(&words[2], ticket, __ATOMIC_RELEASE);
    while ((int32_t)(__atomic_load_n(&words[0], __ATOMIC_ACQUIRE) - ticket) < 0) {
        if (now_ns() - begin > arg[2].u64) {
            __atomic_store_n(&words[1], ticket, __ATOMIC_RELEASE);
            return 0;
        }
        sched_yield();
    }
    return 0;
}

static int run_copy(const void *argument) {
    const union argument *arg = argument;
    size_t bytes = arg[2].u64;
    CHECK(valid(arg[0].at, bytes, 1) && valid(arg[1].at, bytes, 1), CU_ILLEGAL_ADDRESS);
    memcpy(arg[0].at, arg[1].at, bytes);
    return 0;
}

static double scalar(union argument arg, int type) { return type == F32 ? (double)arg.f32 : arg.f64; }

#define TRIAD(type) \
    static int run_triad_##type(const void *argument) { \
        const union argument *arg = argument; \
        size_t n = arg[4].u64; \
        for (int i = 0; i < 3; i++) CHECK(valid(arg[i].at, n, type_bytes[type]), CU_ILLEGAL_ADDRESS); \
        for (size_t i = 0; i < n; i++) { \
            double scaled = scalar(arg[3], type) * get(arg[2].at, type, i); \
            put(arg[0].at, type, i, get(arg[1].at, type, i) + scaled); \
        } \
        return 0; \
    }
TRIAD(F32)
TRIAD(F64)

#define LAYER_NORM(type) \
    static int run_layer_norm_##type(const void *argument) { \
        const union argument *arg = argument; \
        size_t rows = arg[4].u64, cols = arg[5].u64, bytes = type_bytes[type]; \
        for (int i = 0; i < 4; i++) CHECK(valid(arg[i].at, i < 2 ? rows * cols : cols, bytes), CU_ILLEGAL_ADDRESS); \
        for (size_t row = 0; row < rows; row++) { \
            const char *x = (const char *)arg[1].at + row * cols * bytes; \
            long double mean = 0, variance = 0; \
            for (size_t i = 0; i < cols; i++) mean += get(x, type, i) / cols; \
            for (size_t i = 0; i < cols; i++) variance += powl(get(x, type, i) - mean, 2) / cols; \
            for (size_t i = 0; i < cols; i++) { \
                double normal = (get(x, type, i) - mean) / sqrtl(variance + scalar(arg[6], type)); \
                double y = normal * get(arg[2].at, type, i) + get(arg[3].at, type, i); \
                put(arg[0].at, type, row * cols + i, y); \
            } \
        } \
        return 0; \
    }
LAYER_NORM(F32)
LAYER_NORM(F64)

#define SOFTMAX(type) \
    static int run_softmax_##type(const void *argument) { \
        const union argument *arg = argument; \
        size_t rows = arg[2].u64, cols = arg[3].u64, bytes = type_bytes[type]; \
        for (int i = 0; i < 2; i++) CHECK(valid(arg[i].at, rows * cols, bytes), CU_ILLEGAL_ADDRESS); \
        for (size_t row = 0; row < rows; row++) { \
            const char *x = (const char *)arg[1].at + row * cols * bytes; \
            double most = -INFINITY; \
            long double sum = 0; \
            for (size_t i = 0; i < cols; i++) most = fmax(most, get(x, type, i)); \
            for (size_t i = 0; i < cols; i++) sum += exp(get(x, type, i) - most); \
            for (size_t i = 0; i < cols; i++) \
                put(arg[0].at, type, row * cols + i, exp(get(x, type, i) - most) / sum); \
        } \
        return 0; \
    }
SOFTMAX(F32)
SOFTMAX(F64)

const struct kernel kernels[KERNELS] = {
    { "blocking", run_blocking, { 8, 4, 8 } },
    { "copy", run_copy, { 8, 8, 8 } },
    { "triad_f32", run_triad_F32, { 8, 8, 8, 4, 8 } },
    { "triad_f64", run_triad_F64, { 8, 8, 8, 8, 8 } },
    { "layer_norm_f32", run_layer_norm_F32, { 8, 8, 8, 8, 8, 8, 4 } },
    { "layer_norm_f64", run_layer_norm_F64, { 8, 8, 8, 8, 8, 8, 8 } },
    { "softmax_f32", run_softmax_F32, { 8, 8, 8, 8 } },
    { "softmax_f64", run_softmax_F64, { 8, 8, 8, 8 } },
};
const char cubin_head[] = "standin cubin\n";
struct module { struct handle handle; char *image; };
struct function { struct handle handle; const struct kernel *kernel; };

bool defines(const char *source, const struct kernel *kernel) {
    char head[32];
    snprintf(head, sizeof head, "%s(", kernel->name);
    return strstr(source, head);
}

EXPORT int cuModuleLoadData(struct module **module, const char *image) {
    TRY(context_call(__func__));
    CHECK(image && !strncmp(image, cubin_head, strlen(cubin_head)), CU_INVALID_IMAGE);
    *module = new_handle(MODULE, sizeof **module);
    (*module)->image = strdup(image);
    return 0;
}

EXPORT int cuModuleUnload(struct module *m) {
    TRY(context_call(__func__));
    CHECK(is(m, MODULE), CU_INVALID_HANDLE);
    kill_handle(m);
    free(m->image);
    return 0;
}

EXPORT int cuModuleGetFunction(struct function **function, struct module *m, const char *name) {
    TRY(context_call(__func__));
    CHECK(is(m, MODULE), CU_INVALID_HANDLE);
    for (const struct kernel *kernel = kernels; kernel < kernels + KERNELS; kernel++) {
        if (strcmp(kernel->name, name) || !defines(m->image, kernel)) continue;
        *function = new_handle(FUNCTION, sizeof **function);
        (*function)->kernel = kernel;
        return 0;
    }
    return CU_NOT_FOUND;
}

EXPORT int cuLaunchKernel(struct function *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                          unsigned by, unsigned bz, unsigned shared_bytes, struct stream *s,
                          void **params, void **extra) {
    TRY(context_call(__func__));
    CHECK(is(s, STREAM) && is(f, FUNCTION), CU_INVALID_HANDLE);
    CHECK(params && gx && gy && gz, CU_INVALID_VALUE);
    CHECK(bx && by && bz && (uint64_t)bx * by * bz <= 1024, CU_INVALID_VALUE);
    union argument arg[ARGUMENTS] = { 0 };
    for (int i = 0; i < ARGUMENTS && f->kernel->sizes[i]; i++) memcpy(&arg[i], params[i], f->kernel->sizes[i]);
    submit(s, f->kernel->run, arg, sizeof arg);
    // As with CUDA_LAUNCH_BLOCKING=1.
    if (settings.blocking) wait_for_all();
    return 0;
}
