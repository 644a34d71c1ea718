// How NCCL reduces.
#include "communicator.h"

static double reduce_real(int operation, double a, double b) {
    switch (operation) {
    case PROD: return a * b;
    case MAX: return a > b ? a : b;
    case MIN: return a < b ? a : b;
    default: return a + b;
    }
}

// Sums and products wrap around, with low bytes that fit every integer type.
static int64_t reduce_whole(int operation, bool sign, int64_t a, int64_t b) {
    bool less = sign ? a < b : (uint64_t)a < (uint64_t)b;
    switch (operation) {
    case PROD: return (int64_t)((uint64_t)a * (uint64_t)b);
    case MAX: return less ? b : a;
    case MIN: return less ? a : b;
    default: return (int64_t)((uint64_t)a + (uint64_t)b);
    }
}

// Every rank takes the same slots in the same order, so that all get the same bits. A mean of floats multiplies
// first, as NCCL's; that of integers divides last.
void reduce_slots(struct comm *c, int type, int operation, const char *own, char *to, size_t count) {
    size_t size = type_bytes[type];
    bool is_float = type >= F16, sign = type == I8 || type == I32 || type == I64;
    char part[8] = { 0 };
    if (is_float && operation == AVG) put(part, type, 0, 1.0 / c->size);
    const void *factor = operation == AVG ? part : own;
    bool scales = operation >= OWN_OPERATORS || (is_float && operation == AVG);
    for (size_t i = 0; i < count; i++) {
        double real = 0;
        int64_t whole = 0;
        for (int rank = 0; rank < c->size; rank++) {
            const char *slot = c->shared->slots[rank];
            if (is_float) {
                double term = get(slot, type, i) * (scales ? get(factor, type, 0) : 1);
                real = rank ? reduce_real(operation, real, term) : term;
            } else {
                int64_t term = get_whole(slot, type, i);
                if (scales) term = reduce_whole(PROD, sign, term, get_whole(factor, type, 0));
                whole = rank ? reduce_whole(operation, sign, whole, term) : term;
            }
        }
        if (operation == AVG) whole /= c->size;
        if (is_float) put(to, type, i, real);
        else memcpy(to + i * size, &whole, size);
    }
}

static bool created(struct comm *c, int operation, int *index) {
    *index = (operation ^ OPERATOR_MASK) - OWN_OPERATORS;
    return *index >= 0 && *index < MAX_OPERATORS && c->operators[*index].alive;
}

int find_operator(struct comm *c, int type, int *operation, char *factor) {
    int index;
    if (created(c, *operation, &index)) {
        CHECK(c->operators[index].type == type, INVALID_ARGUMENT);
        memcpy(factor, c->operators[index].factor, sizeof c->operators[index].factor);
        *operation = OWN_OPERATORS;
        return 0;
    }
    return *operation >= 0 && *operation < OWN_OPERATORS ? 0 : INVALID_ARGUMENT;
}

EXPORT int ncclRedOpCreatePreMulSum(int *operation, const void *factor, int type, int residence, struct comm *c) {
    TRY(injected(__func__, INTERNAL_ERROR));
    enum { HOST_IMMEDIATE = 1 };
    CHECK(is(c, COMM) && type >= 0 && type < TYPES && residence == HOST_IMMEDIATE, INVALID_ARGUMENT);
    int index = 0;
    while (index < MAX_OPERATORS && c->operators[index].alive) index++;
    CHECK(index < MAX_OPERATORS, INTERNAL_ERROR); // one that creates must destroy
    c->operators[index].alive = true;
    c->operators[index].type = type;
    memcpy(c->operators[index].factor, factor, type_bytes[type]);
    *operation = (OWN_OPERATORS + index) ^ OPERATOR_MASK;
    return 0;
}

EXPORT int ncclRedOpDestroy(int operation, struct comm *c) {
    TRY(injected(__func__, INTERNAL_ERROR));
    int index;
    CHECK(is(c, COMM) && created(c, operation, &index), INVALID_ARGUMENT);
    c->operators[index].alive = false;
    return 0;
}
