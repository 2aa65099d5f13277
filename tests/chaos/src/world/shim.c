/* What is between a member and its system, loaded before its libraries: a clock that can be set, and
   a disk that can fail. The file that CHAOS_DIALS names is mapped; whoever writes to it turns:

     bytes 0..8    how far the clock on the wall is off, in ms, in the machine's own order
     bytes 8..12   writes and flushes fail with EIO while this is not 0
     bytes 12..16  how many have failed

   The monotonic clock, which timeouts go by, is left alone, as it is when a machine's clock is set. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct dials {
    volatile long long off_ms;
    volatile unsigned fails;
    volatile unsigned failed;
};

static struct dials *dials;
static int (*system_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CHAOS_DIALS");
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    system_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *dials, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        dials = mapped;
}

int clock_gettime(clockid_t id, struct timespec *time) {
    int answer = system_clock ? system_clock(id, time) : (int)syscall(SYS_clock_gettime, id, time);
    if (answer == 0 && dials && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        long long ms = dials->off_ms;
        time->tv_sec += ms / 1000;
        time->tv_nsec += ms % 1000 * 1000000;
        if (time->tv_nsec >= 1000000000) {
            time->tv_nsec -= 1000000000;
            time->tv_sec += 1;
        } else if (time->tv_nsec < 0) {
            time->tv_nsec += 1000000000;
            time->tv_sec -= 1;
        }
    }
    return answer;
}

static int fails(void) {
    if (!dials || !dials->fails)
        return 0;
    __sync_fetch_and_add(&dials->failed, 1);
    errno = EIO;
    return 1;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return fails() ? -1 : syscall(SYS_pwrite64, file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return pwrite64(file, bytes, count, offset);
}

int fdatasync(int file) {
    return fails() ? -1 : (int)syscall(SYS_fdatasync, file);
}
