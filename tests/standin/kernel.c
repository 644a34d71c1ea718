// Modules and launches of kernels that run on the CPU.
#include "standin.h"

#include "entry.h"

enum { PARAMETERS = 32 };
const char elf_magic[] = "\x7f" "ELF\x02\x01\x01\x41\x08standin", ptx_head[] = "// standin ";
struct module { struct handle handle; void *library; };
struct function { struct handle handle; struct Entry *entry; };
struct launch { struct Launch launch; struct Entry *entry; uint64_t words[PARAMETERS]; };

EXPORT int cuModuleLoadData(struct module **module, const char *image) {
    TRY(context_call(__func__));
    bool is_ptx = image && !strncmp(image, ptx_head, strlen(ptx_head));
    CHECK(is_ptx || (image && !memcmp(image, elf_magic, strlen(elf_magic))), CU_INVALID_IMAGE);
    const char *begin = image + (is_ptx ? strlen(ptx_head) : ELF_HEADER);
    char *path = strndup(begin, strcspn(begin, "\n"));
    // Never closed: a stream may still run what is in it.
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    free(path);
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

EXPORT int cuFuncGetAttribute(int *value, int attribute, struct function *f) {
    enum { REGISTERS = 4 };
    TRY(context_call(__func__));
    CHECK(is(f, FUNCTION), CU_INVALID_HANDLE);
    *value = attribute == REGISTERS ? 16 : 0;
    return 0;
}

EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, struct function *f, int threads,
                                                                size_t shared_bytes, unsigned flags) {
    TRY(context_call(__func__));
    CHECK(is(f, FUNCTION), CU_INVALID_HANDLE);
    CHECK(threads > 0 && threads <= 1024 && shared_bytes <= DYNAMIC_SHARED_BYTES && !flags, CU_INVALID_VALUE);
    *blocks = 2048 / threads; // as many threads as fit, whatever else they need
    return 0;
}

static int run_kernel(const void *argument) {
    const struct launch *launch = argument;
    void *params[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++) params[i] = (void *)&launch->words[i];
    return launch->entry->run(&launch->launch, params) ? 0 : CU_LAUNCH_FAILED;
}

static int launch_in(struct stream *s, struct function *f, const unsigned *grid, const unsigned *block,
                     unsigned shared_bytes, void **params) {
    CHECK(is(s, STREAM) && is(f, FUNCTION), CU_INVALID_HANDLE);
    CHECK(params && grid[0] && grid[1] && grid[2], CU_INVALID_VALUE);
    CHECK(block[0] && block[1] && block[2] && (uint64_t)block[0] * block[1] * block[2] <= 1024, CU_INVALID_VALUE);
    CHECK(shared_bytes <= DYNAMIC_SHARED_BYTES, CU_INVALID_VALUE);
    struct launch launch = { { { grid[0], grid[1], grid[2] }, { block[0], block[1], block[2] }, settings.seed },
                             f->entry, { 0 } };
    for (int i = 0; i < PARAMETERS && f->entry->sizes[i]; i++) {
        CHECK(f->entry->sizes[i] <= sizeof *launch.words, CU_INVALID_VALUE);
        memcpy(&launch.words[i], params[i], f->entry->sizes[i]);
    }
    submit(s, run_kernel, &launch, sizeof launch);
    // As with CUDA_LAUNCH_BLOCKING=1.
    if (settings.blocking) wait_for_all();
    return 0;
}

struct attribute { int id; char pad[4]; union { char pad[64]; unsigned cluster[3]; } value; };
struct config {
    unsigned grid[3], block[3], shared_bytes;
    struct stream *stream;
    const struct attribute *attributes;
    unsigned count;
};

// Blocks run one after another, so that those of a cluster cannot wait for each other.
EXPORT int cuLaunchKernelEx(const struct config *config, struct function *f, void **params, void **extra) {
    enum { CLUSTER_DIMENSION = 4, MOST = 8 };
    TRY(context_call(__func__));
    unsigned blocks = 1;
    for (unsigned i = 0; i < config->count; i++) {
        const struct attribute *attribute = &config->attributes[i];
        CHECK(attribute->id == CLUSTER_DIMENSION && settings.capability >= 9, CU_INVALID_VALUE);
        for (int axis = 0; axis < 3; axis++) {
            unsigned together = attribute->value.cluster[axis];
            CHECK(together && config->grid[axis] % together == 0, CU_INVALID_VALUE);
            blocks *= together;
        }
    }
    CHECK(blocks <= MOST && (!settings.cluster || blocks == settings.cluster), CU_INVALID_VALUE);
    return launch_in(config->stream, f, config->grid, config->block, config->shared_bytes, params);
}

EXPORT int cuLaunchKernel(struct function *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                          unsigned by, unsigned bz, unsigned shared_bytes, struct stream *s,
                          void **params, void **extra) {
    TRY(context_call(__func__));
    return launch_in(s, f, (unsigned[]){ gx, gy, gz }, (unsigned[]){ bx, by, bz }, shared_bytes, params);
}
