// NVRTC: it has the C++ compiler make a shared object of the source. Its "cubin" is the path of that, after a line that
// says so.
#include "standin.h"

enum { INVALID_INPUT = 3, INVALID_PROGRAM = 4, COMPILATION = 6, INTERNAL_ERROR = 11 };

struct program { struct handle handle; char *source, *log, *library; };

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

// ---- From a source to a shared object

static const char KERNEL[] = "extern \"C\" __global__", SHARED[] = "extern __shared__";

// The name of the kernel at `at`: what stands before its parameters, which may follow its bounds.
static int name_at(const char *at, char name[64]) {
    static const char bounds[] = "__launch_bounds__(";
    at += strlen(KERNEL);
    const char *skip = strstr(at, bounds), *end = strchr(at, '(');
    if (skip && skip < end) end = strchr(strchr(end, ')'), '(');
    if (!end) return 0;
    const char *begin = end;
    while (strchr("_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", begin[-1])) begin--;
    return snprintf(name, 64, "%.*s", (int)(end - begin), begin);
}

// With the memory that blocks declare and launches size, and what the driver calls.
static int write_source(const char *source, FILE *to) {
    char name[64];
    for (const char *at = source; (at = strstr(at, SHARED)); at++) {
        const char *begin = at + strlen("extern "), *end = strchr(begin, ']');
        if (end) fprintf(to, "%.*s %d]; ", (int)(end - begin), begin, DYNAMIC_SHARED_BYTES);
    }
    fputs(source, to);
    for (const char *at = source; (at = strstr(at, KERNEL)); at++)
        if (name_at(at, name)) fprintf(to, "\nENTRY(%s)", name);
    return fputc('\n', to);
}

static void write_file(const char *path, const char *source, int write(const char *source, FILE *to)) {
    FILE *file = fopen(path, "w");
    if (!file) abort();
    write(source, file);
    fclose(file);
}

static uint64_t hash(uint64_t sum, const char *text) { // FNV-1a
    while (*text) sum = (sum ^ (unsigned char)*text++) * 0x100000001b3;
    return sum;
}

static char *text_of(const char *path) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = fopen(path, "r");
    if (!file) abort(); // the stand-in is not whole
    if (getdelim(&text, &bytes, 0, file) < 0) text = strdup("");
    fclose(file);
    return text;
}

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *format, ...) {
    char *made;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&made, format, arguments) < 0) abort();
    va_end(arguments);
    return made;
}

// Where it is kept, by content: in a folder beside the stand-in's, for later processes, too.
static char *path_of(const char *source, const char *header, const char *flags) {
    Dl_info own;
    if (!dladdr(&sticky, &own)) abort();
    char *folder = text("%.*s/../standin-kernels", (int)(strrchr(own.dli_fname, '/') - own.dli_fname), own.dli_fname);
    mkdir(folder, 0777);
    uint64_t sum = hash(0xcbf29ce484222325, source);
    const char *parts[] = { text_of(header), flags, settings.sed };
    for (int i = 0; i < 3; i++) sum = hash(sum, parts[i]);
    return text("%s/%016llx", folder, (unsigned long long)sum);
}

// The path of what was made of it, or NULL and a log that says why.
static char *build(const char *source, char **log) {
    const char *sanitise = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -g";
    char *flags = text("-std=c++17 -O1 -shared -fPIC -fvisibility=hidden -U_FORTIFY_SOURCE -fno-extern-tls-init %s",
                       settings.sanitise ? sanitise : "");
    char *folder = strndup(__FILE__, (size_t)(strrchr(__FILE__, '/') - __FILE__));
    char *header = text("%s/cuda_on_cpu.h", folder), *path = path_of(source, header, flags);
    char *library = text("%s.so", path), *own = text("%s.%d", path, (int)getpid());
    if (!access(library, R_OK)) return library;
    char *code = text("%s.cpp", own), *said = text("%s.log", own);
    write_file(code, source, fputs);
    bool built = !system(text("sed -i -e \"$STANDIN_SED\" '%s'", code));
    write_file(code, text_of(code), write_source);
    char *command = text("exec 2>'%s'; unset LD_PRELOAD; g++ %s -include '%s' -o '%s.so' '%s'", said, flags, header,
                         own, code);
    built = built && !system(command) && !rename(text("%s.so", own), library);
    free(*log);
    *log = text_of(said);
    unlink(code);
    unlink(said);
    return built ? library : NULL;
}

// The log is the assembler's report, as the option --ptxas-options=-v asks for.
EXPORT int nvrtcCompileProgram(struct program *p, int count, const char *const *options) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    TRY(program_call(__func__, p));
    pthread_mutex_lock(&lock);
    p->library = build(p->source, &p->log);
    pthread_mutex_unlock(&lock);
    CHECK(p->library, COMPILATION);
    free(p->log);
    size_t bytes;
    FILE *log = open_memstream(&p->log, &bytes);
    if (!log) abort();
    char name[64];
    for (const char *at = p->source; (at = strstr(at, KERNEL)); at++)
        if (name_at(at, name))
            fprintf(log, "ptxas info    : Compiling entry function '%s' for 'standin'\n"
                    "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                    "ptxas info    : Used 16 registers, used 0 barriers\n", name);
    fclose(log);
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
    CHECK(p->library, INVALID_PROGRAM);
    *bytes = strlen(cubin_head) + strlen(p->library) + 1;
    return 0;
}

EXPORT int nvrtcGetCUBIN(struct program *p, char *cubin) {
    TRY(program_call(__func__, p));
    CHECK(p->library, INVALID_PROGRAM);
    strcpy(stpcpy(cubin, cubin_head), p->library);
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
