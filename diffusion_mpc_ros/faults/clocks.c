/* Clocks of one process that can be made to lag, as they do in a suspended computer or a paused virtual machine.
 *
 * Preloaded; the file that DIFFUSION_MPC_CLOCKS names holds three numbers of nanoseconds: how far CLOCK_MONOTONIC,
 * CLOCK_BOOTTIME and CLOCK_REALTIME are behind those of the system. Deadlines that a thread waits for are moved back.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const int64_t none[3];
static volatile const int64_t *lag = none;

__attribute__((constructor)) static void open_lags(void)
{
    const char *path = getenv("DIFFUSION_MPC_CLOCKS");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *memory = file < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    if (memory != MAP_FAILED)
        lag = memory;
}

static int64_t lag_of(clockid_t clock)
{
    switch (clock) {
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_MONOTONIC_COARSE: return lag[0];
    case CLOCK_BOOTTIME: return lag[1];
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: return lag[2];
    default: return 0;
    }
}

static void add(struct timespec *time, int64_t nanoseconds)
{
    int64_t sum = time->tv_sec * 1000000000LL + time->tv_nsec + nanoseconds;
    time->tv_sec = sum / 1000000000LL;
    time->tv_nsec = sum % 1000000000LL;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int status = syscall(SYS_clock_gettime, clock, time);
    if (status == 0)
        add(time, -lag_of(clock));
    return status;
}

static struct timespec real(clockid_t clock, const struct timespec *deadline)
{
    struct timespec moved = *deadline;
    add(&moved, lag_of(clock));
    return moved;
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *deadline)
{
    static int (*next)(sem_t *, clockid_t, const struct timespec *);
    struct timespec moved = real(clock, deadline);
    if (!next)
        next = dlsym(RTLD_NEXT, "sem_clockwait");
    return next(semaphore, clock, &moved);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *deadline)
{
    static int (*next)(sem_t *, const struct timespec *);
    struct timespec moved = real(CLOCK_REALTIME, deadline);
    if (!next)
        next = dlsym(RTLD_NEXT, "sem_timedwait");
    return next(semaphore, &moved);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *deadline)
{
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
    struct timespec moved = real(clock, deadline);
    if (!next)
        next = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
    return next(condition, mutex, clock, &moved);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline)
{
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    /* Which clock the condition waits by is not said; no computer runs for thirty years. */
    struct timespec moved = real(deadline->tv_sec > 1000000000L ? CLOCK_REALTIME : CLOCK_MONOTONIC, deadline);
    if (!next)
        next = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next)
        next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    return next(condition, mutex, &moved);
}
