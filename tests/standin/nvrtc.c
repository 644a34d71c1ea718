// NVRTC: it has the C++ compiler make a shared object of the source. Its machine code and its PTX lead to that.
#include "standin.h"

enum { INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6, INTERNAL_ERROR = 11 };

enum { MOST = 64 };

struct program {
    struct handle handle;
    char *source, *log, *library, *ptx, *cubin, arch[16];
    size_t cubin_bytes; // none where it is compiled to PTX alone
    struct { char *name, *text; } headers[MOST];
    struct { char *expression, symbol[128]; } functions[MOST];
    int header_count, function_count;
};

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

EXPORT const char *nvrtcGetErrorString(int code) {
    static const char *const names[] = { "NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY",
        "NVRTC_ERROR_PROGRAM_CREATION_FAILURE", "NVRTC_ERROR_INVALID_INPUT", "NVRTC_ERROR_INVALID_PROGRAM",
        "NVRTC_ERROR_INVALID_OPTION", "NVRTC_ERROR_COMPILATION", "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE",
        "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION", "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION",
        "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID", "NVRTC_ERROR_INTERNAL_ERROR" };
    return code >= 0 && code <= INTERNAL_ERROR ? names[code] : "NVRTC_ERROR unknown";
}

EXPORT int nvrtcGetNumSupportedArchs(int *count) {
    TRY(injected(__func__, INTERNAL_ERROR));
    *count = settings.arch_count;
    return 0;
}

EXPORT int nvrtcGetSupportedArchs(int *archs) {
    TRY(injected(__func__, INTERNAL_ERROR));
    memcpy(archs, settings.archs, (size_t)settings.arch_count * sizeof *archs);
    return 0;
}

EXPORT int nvrtcCreateProgram(struct program **program, const char *source, const char *name, int count,
                              const char *const *headers, const char *const *header_names) {
    TRY(injected(__func__, INTERNAL_ERROR));
    CHECK(source && count >= 0 && count <= MOST, INVALID_INPUT);
    struct program *p = *program = new_handle(PROGRAM, sizeof **program);
    p->source = strdup(source);
    p->log = strdup("");
    for (p->header_count = 0; p->header_count < count; p->header_count++) {
        p->headers[p->header_count].name = strdup(header_names[p->header_count]);
        p->headers[p->header_count].text = strdup(headers[p->header_count]);
    }
    return 0;
}

EXPORT int nvrtcAddNameExpression(struct program *p, const char *expression) {
    TRY(program_call(__func__, p));
    CHECK(expression && p->function_count < MOST && !p->library, INVALID_INPUT);
    int at = p->function_count++;
    p->functions[at].expression = strdup(expression);
    // The name of a function in C is its own.
    bool plain = strspn(expression, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(expression);
    char *symbol = p->functions[at].symbol;
    if (plain) snprintf(symbol, sizeof p->functions[at].symbol, "%s", expression);
    else snprintf(symbol, sizeof p->functions[at].symbol, "function_%d", at);
    return 0;
}

EXPORT int nvrtcGetLoweredName(struct program *p, const char *expression, const char **name) {
    TRY(program_call(__func__, p));
    CHECK(p->library, INVALID_PROGRAM);
    for (int i = 0; i < p->function_count; i++)
        if (!strcmp(p->functions[i].expression, expression)) return *name = p->functions[i].symbol, 0;
    return INVALID_INPUT;
}

// ---- From a source to a shared object

static const char SHARED[] = "extern __shared__";

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
static char *kept_in(void) {
    Dl_info own;
    if (!dladdr(&sticky, &own)) abort();
    char *folder = text("%.*s/../standin-kernels", (int)(strrchr(own.dli_fname, '/') - own.dli_fname), own.dli_fname);
    mkdir(folder, 0777);
    return folder;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file)) abort();
}

// With the memory that blocks declare and launches size.
static void declare_shared(const char *path) {
    char *source = text_of(path), *declared = strdup("");
    for (const char *at = source; (at = strstr(at, SHARED)); at++) {
        const char *begin = at + strlen("extern "), *end = strchr(begin, ']');
        if (end) declared = text("%s%.*s %d]; ", declared, (int)(end - begin), begin, DYNAMIC_SHARED_BYTES);
    }
    write_file(path, text("%s%s", declared, source));
}

// The source and its headers in a folder, edited, and what the driver calls; the sum of all that is compiled, or 0 where it
// cannot be edited.
static uint64_t write_program(const struct program *p, const char *folder, uint64_t sum) {
    if (mkdir(folder, 0777)) abort();
    char *paths[1 + MOST] = { text("%s/kernel.cpp", folder) }, *all = text("'%s'", paths[0]);
    write_file(paths[0], p->source);
    for (int i = 0; i < p->header_count; i++) {
        char *path = paths[1 + i] = text("%s/%s", folder, p->headers[i].name);
        if (system(text("mkdir -p '%.*s'", (int)(strrchr(path, '/') - path), path))) abort();
        write_file(path, p->headers[i].text);
        all = text("%s '%s'", all, path);
    }
    if (*settings.sed && system(text("sed -i -e \"$STANDIN_SED\" %s", all))) return 0;
    for (int i = 0; i <= p->header_count; i++) declare_shared(paths[i]);
    char *source = text_of(paths[0]);
    for (int i = 0; i < p->function_count; i++)
        source = text("%s\nENTRY(%s, %s)\n", source, p->functions[i].symbol, p->functions[i].expression);
    write_file(paths[0], source);
    for (int i = 0; i <= p->header_count; i++) sum = hash(sum, text_of(paths[i]));
    return sum;
}

// The path of what was made of it, or NULL and a log that says why. What an edit leaves as it was is not made again.
static char *build(struct program *p) {
    const char *sanitise = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -g";
    char *flags = text("-std=c++17 -O1 -shared -fPIC -fvisibility=hidden -U_FORTIFY_SOURCE -fno-extern-tls-init %s",
                       settings.sanitise ? sanitise : "");
    char *folder = strndup(__FILE__, (size_t)(strrchr(__FILE__, '/') - __FILE__));
    char *header = text("%s/cuda_on_cpu.h", folder), *kept = kept_in();
    char *own = text("%s/%d.%d", kept, (int)getpid(), (int)gettid()), *said = text("%s.log", own);
    write_file(said, "");
    uint64_t sum = write_program(p, own, hash(hash(0xcbf29ce484222325, text_of(header)), flags));
    char *library = text("%s/%016llx.so", kept, (unsigned long long)sum);
    char *command = text("exec 2>'%s'; unset LD_PRELOAD; g++ %s -include '%s' -I '%s' -o '%s.so' '%s/kernel.cpp'", said,
                         flags, header, own, own, own);
    bool built = sum && (!access(library, R_OK) || (!system(command) && !rename(text("%s.so", own), library)));
    free(p->log);
    p->log = text_of(said);
    if (system(text("rm -r '%s' '%s'", own, said))) abort();
    return built ? library : NULL;
}

// 90 of sm_90a and of compute_90.
static uint32_t number_of(const char *arch) {
    const char *at = strchr(arch, '_');
    return at ? (uint32_t)strtoul(at + 1, NULL, 10) : 0;
}

static bool is_known_arch(const char *arch) {
    for (int i = 0; i < settings.arch_count; i++)
        if ((uint32_t)settings.archs[i] == number_of(arch)) return true;
    return false;
}

// What a driver and a reader of such files need of them.
static void write_code(struct program *p) {
    struct { uint32_t name; char pad[20]; uint64_t at, bytes; char rest[24]; } section = { 0 };
    enum { MACHINE_AT = 18, TABLE_AT = 40, FLAGS_AT = 48, COUNT_AT = 60, MACHINE = 190 };
    FILE *ptx = open_memstream(&p->ptx, &(size_t){ 0 }), *names, *table;
    char *name_text, *table_text;
    size_t name_bytes, table_bytes, path_bytes = strlen(p->library) + 1;
    if (!ptx || !(names = open_memstream(&name_text, &name_bytes)) ||
        !(table = open_memstream(&table_text, &table_bytes))) abort();
    fprintf(ptx, "%s%s\n.version 8.2\n.target sm%s\n.address_size 64\n", ptx_head, p->library, strchr(p->arch, '_'));
    fputs(".shstrtab", names);
    fputc(0, names);
    fflush(names);
    fwrite(&section, sizeof section, 1, table); // the one of the names; where they are is known below
    for (int i = 0; i < p->function_count; i++) {
        section.name = (uint32_t)ftell(names);
        fprintf(names, ".text.%s%c", p->functions[i].symbol, 0);
        fwrite(&section, sizeof section, 1, table);
        fprintf(ptx, ".visible .entry %s(\n)\n{\n\tret;\n}\n", p->functions[i].symbol);
    }
    fclose(names), fclose(table), fclose(ptx);
    char head[ELF_HEADER] = { 0 };
    uint64_t names_at = ELF_HEADER + path_bytes, table_at = names_at + name_bytes;
    uint16_t machine = MACHINE, count = (uint16_t)(1 + p->function_count);
    uint32_t flags = number_of(p->arch) << 8;
    memcpy(head, elf_magic, strlen(elf_magic));
    memcpy(head + MACHINE_AT, &machine, sizeof machine);
    memcpy(head + TABLE_AT, &table_at, sizeof table_at);
    memcpy(head + FLAGS_AT, &flags, sizeof flags);
    memcpy(head + COUNT_AT, &count, sizeof count);
    section.name = 0, section.at = names_at, section.bytes = name_bytes;
    memcpy(table_text, &section, sizeof section);
    FILE *cubin = open_memstream(&p->cubin, &p->cubin_bytes);
    if (!cubin) abort();
    fwrite(head, sizeof head, 1, cubin);
    fwrite(p->library, path_bytes, 1, cubin);
    fwrite(name_text, name_bytes, 1, cubin);
    fwrite(table_text, table_bytes, 1, cubin);
    fclose(cubin);
    if (strncmp(p->arch, "sm_", 3)) p->cubin_bytes = 0;
    free(name_text), free(table_text);
}

// As NVRTC does with --time=FILE.
static void write_times(const char *path) {
    FILE *file = fopen(path, "a");
    if (!file) abort();
    fputs("File name, phase name, metric, unit\n"
          "k.cu, CUDA C++ Frontend, 3, ms\nk.cu, NVVM Optimizer, 2, ms\nk.cu, PTX Translation, 1, ms\n", file);
    fclose(file);
}

// The log is the assembler's report, as the option --ptxas-options=-v asks for.
EXPORT int nvrtcCompileProgram(struct program *p, int count, const char *const *options) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    TRY(program_call(__func__, p));
    for (int i = 0; i < count; i++) {
        bool is_time = !strncmp(options[i], "--time=", 7);
        sscanf(options[i], "--gpu-architecture=%15s", p->arch);
        // As one that is too old for it.
        CHECK(!is_time || !settings.old_compiler, INVALID_OPTION);
        if (is_time) write_times(options[i] + 7);
    }
    CHECK(is_known_arch(p->arch), INVALID_OPTION);
    pthread_mutex_lock(&lock);
    p->library = build(p);
    pthread_mutex_unlock(&lock);
    CHECK(p->library, COMPILATION);
    write_code(p);
    free(p->log);
    size_t bytes;
    FILE *log = open_memstream(&p->log, &bytes);
    if (!log) abort();
    for (int i = 0; p->cubin_bytes && i < p->function_count; i++)
        fprintf(log, "ptxas info    : Compiling entry function '%s' for 'standin'\n"
                "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                "ptxas info    : Used 16 registers, used 0 barriers\n", p->functions[i].symbol);
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
    *bytes = p->cubin_bytes;
    return 0;
}

EXPORT int nvrtcGetCUBIN(struct program *p, char *cubin) {
    TRY(program_call(__func__, p));
    CHECK(p->library, INVALID_PROGRAM);
    memcpy(cubin, p->cubin, p->cubin_bytes);
    return 0;
}

EXPORT int nvrtcGetPTXSize(struct program *p, size_t *bytes) {
    TRY(program_call(__func__, p));
    CHECK(p->library, INVALID_PROGRAM);
    *bytes = strlen(p->ptx) + 1;
    return 0;
}

EXPORT int nvrtcGetPTX(struct program *p, char *ptx) {
    TRY(program_call(__func__, p));
    CHECK(p->library, INVALID_PROGRAM);
    strcpy(ptx, p->ptx);
    return 0;
}

EXPORT int nvrtcDestroyProgram(struct program **p) {
    TRY(program_call(__func__, *p));
    kill_handle(*p);
    free((*p)->source);
    free((*p)->log);
    free((*p)->ptx);
    free((*p)->cubin);
    for (int i = 0; i < (*p)->header_count; i++) free((*p)->headers[i].name), free((*p)->headers[i].text);
    for (int i = 0; i < (*p)->function_count; i++) free((*p)->functions[i].expression);
    *p = NULL;
    return 0;
}
