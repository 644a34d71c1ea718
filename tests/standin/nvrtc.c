// NVRTC: its "cubin" is the source, after a line that says so.
#include "standin.h"

enum { INVALID_INPUT = 3, INVALID_PROGRAM = 4, INTERNAL_ERROR = 11 };

struct program { struct handle handle; char *source, *log; bool compiled; };

static int program_call(const char *symbol, struct program *p) {
    TRY(injected(symbol, INTERNAL_ERROR));
    return is(p, PROGRAM) ? 0 : INVALID_PROGRAM;
}

EXPORT int nvrtcVersion(int *major, int *minor) {
    TRY(injected(__func__, INTERNAL_ERROR));
    *major = 12;
    *minor = 2;
    return 0;
}

EXPORT int nvrtcCreateProgram(struct program **program, const char *source, const char *name, int count,
                              const char *const *headers, const char *const *header_names) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(source, INVALID_INPUT);
    *program = new_handle(PROGRAM, sizeof **program);
    (*program)->source = strdup(source);
    (*program)->log = strdup("");
    return 0;
}

// The log is the assembler's report, as the option --ptxas-options=-v asks for.
EXPORT int nvrtcCompileProgram(struct program *p, int count, const char *const *options) {
    TRY(program_call(__func__, p));
    free(p->log);
    size_t bytes;
    FILE *log = open_memstream(&p->log, &bytes);
    if (!log) abort();
    for (const struct kernel *kernel = kernels; kernel < kernels + KERNELS; kernel++)
        if (defines(p->source, kernel))
            fprintf(log, "ptxas info    : Compiling entry function '%s' for 'standin'\n"
                    "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                    "ptxas info    : Used 16 registers, used 0 barriers\n", kernel->name);
    fclose(log);
    p->compiled = true;
    return 0;
}

EXPORT int nvrtcGetProgramLogSize(struct program *p, size_t *bytes) {
    TRY(program_call(__func__, p));
    *bytes = strlen(p->log) + 1;
    return 0;
}

EXPORT int nvrtcGetProgramLog(struct program *p, char *log) {
    TRY(program_call(__func__, p));
    strcpy(log, p->log);
    return 0;
}

EXPORT int nvrtcGetCUBINSize(struct program *p, size_t *bytes) {
    TRY(program_call(__func__, p));
    CHECK(p->compiled, INVALID_PROGRAM);
    *bytes = strlen(cubin_head) + strlen(p->source) + 1;
    return 0;
}

EXPORT int nvrtcGetCUBIN(struct program *p, char *cubin) {
    TRY(program_call(__func__, p));
    CHECK(p->compiled, INVALID_PROGRAM);
    strcpy(stpcpy(cubin, cubin_head), p->source);
    return 0;
}

EXPORT int nvrtcDestroyProgram(struct program **p) {
    TRY(program_call(__func__, *p));
    kill_handle(*p);
    free((*p)->source);
    free((*p)->log);
    *p = NULL;
    return 0;
}
