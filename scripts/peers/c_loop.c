/* A plain C loop around MPI_Allreduce, with the protocol that tesserabench uses: the rank that comes last
 * names a start time, all spin to it, stamp, reduce, stamp. Loaded into the same process, so that both run on the same MPI. */
#include <mpi.h>
#include <stdlib.h>
#include <time.h>

static MPI_Comm comm = MPI_COMM_NULL;

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* Three times the upper quartile of ten agreements on a time, at least 2 us. */
static long lead(void) {
    long took[10];
    for (int i = 0; i < 10; i++) {
        long own = now(), asked;
        MPI_Allreduce(&own, &asked, 1, MPI_LONG, MPI_MAX, comm);
        own = now() - asked;
        MPI_Allreduce(&own, &took[i], 1, MPI_LONG, MPI_MAX, comm);
    }
    qsort(took, 10, sizeof *took, by_size);
    return 3 * took[7] > 2000 ? 3 * took[7] : 2000;
}

/* `warmup` rounds, then `rounds` rounds of `batch` sums over `count` floats, stamped into the arrays. */
void c_loop(int count, int warmup, int rounds, int batch, long *starts, long *ends, unsigned char *late) {
    if (comm == MPI_COMM_NULL) MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    int rank;
    MPI_Comm_rank(comm, &rank);
    /* On pages, and kept while the size stays, as our buffers are. */
    static float *in, *out;
    static int allocated = -1;
    if (count != allocated) {
        size_t bytes = (count * sizeof(float) / 4096 + 1) * 4096;
        free(in);
        free(out);
        in = aligned_alloc(4096, bytes);
        out = aligned_alloc(4096, bytes);
        for (int i = 0; i < count; i++) { in[i] = i % 7 + rank % 5; out[i] = 0; }
        allocated = count;
    }
    long ahead = lead();
    for (int i = -warmup; i < rounds; i++) {
        long own = now() + ahead, at;
        MPI_Allreduce(&own, &at, 1, MPI_LONG, MPI_MAX, comm);
        unsigned char is_late = now() > at;
        while (now() < at) __builtin_ia32_pause();
        long start = now();
        for (int b = 0; b < batch; b++) MPI_Allreduce(in, out, count, MPI_FLOAT, MPI_SUM, comm);
        long end = now();
        if (i >= 0) { starts[i] = start; ends[i] = end; late[i] = is_late; }
    }
}
