// Modules and launches of kernels that run on the CPU.
#include "standin.h"

#include "entry.h"

enum { PARAMETERS = 32 };
const char cubin_head[] = "standin cubin\n";
struct module { struct handle handle; void *library; };
struct function { struct handle handle; struct Entry *entry; };
struct launch { struct Launch launch; struct Entry *entry; uint64_t words[PARAMETERS]; };

EXPORT int cuModuleLoadData(struct module **module, const char *image) {
    TRY(context_call(__func__));
    CHECK(image && !strncmp(image, cubin_head, strlen(cubin_head)), CU_INVALID_IMAGE);
    // Never closed: a stream may still run what is in it.
    void *library = dlopen(image + strlen(cubin_head), RTLD_NOW | RTLD_LOCAL);
    if (!library) fprintf(stderr, "stand-in: %s\n", dlerror());
    CHECK(library, CU_INVALID_IMAGE);
    *module = new_handle(MODULE, sizeof **module);
    (*module)->library = library;
    return 0;
}

EXPORT int cuModuleUnload(struct module *m) {
    TRY(context_call(__func__));
    CHECK(is(m, MODULE), CU_INVALID_HANDLE);
    kill_handle(m);
    return 0;
}

EXPORT int cuModuleGetFunction(struct function **function, struct module *m, const char *name) {
    TRY(context_call(__func__));
    CHECK(is(m, MODULE), CU_INVALID_HANDLE);
    char symbol[256];
    snprintf(symbol, sizeof symbol, "entry_%s", name);
    struct Entry *entry = dlsym(m->library, symbol);
    CHECK(entry, CU_NOT_FOUND);
    *function = new_handle(FUNCTION, sizeof **function);
    (*function)->entry = entry;
    return 0;
}

static int run_kernel(const void *argument) {
    const struct launch *launch = argument;
    void *params[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++) params[i] = (void *)&launch->words[i];
    return launch->entry->run(&launch->launch, params) ? 0 : CU_LAUNCH_FAILED;
}

EXPORT int cuLaunchKernel(struct function *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                          unsigned by, unsigned bz, unsigned shared_bytes, struct stream *s,
                          void **params, void **extra) {
    TRY(context_call(__func__));
    CHECK(is(s, STREAM) && is(f, FUNCTION), CU_INVALID_HANDLE);
    CHECK(params && gx && gy && gz, CU_INVALID_VALUE);
    CHECK(bx && by && bz && (uint64_t)bx * by * bz <= 1024, CU_INVALID_VALUE);
    CHECK(shared_bytes <= DYNAMIC_SHARED_BYTES, CU_INVALID_VALUE);
    struct launch launch = { { { gx, gy, gz }, { bx, by, bz }, settings.seed }, f->entry, { 0 } };
    for (int i = 0; i < PARAMETERS && f->entry->sizes[i]; i++) {
        CHECK(f->entry->sizes[i] <= sizeof *launch.words, CU_INVALID_VALUE);
        memcpy(&launch.words[i], params[i], f->entry->sizes[i]);
    }
    submit(s, run_kernel, &launch, sizeof launch);
    // As with CUDA_LAUNCH_BLOCKING=1.
    if (settings.blocking) wait_for_all();
    return 0;
}
