/* Fails one operation on files, or every one from it on, as a disk without room or a broken one does; or dies there.
 *
 * Preloaded. Counted are the operations that need room or a sound disk, of threads of an armed process, on regular files
 * above descriptor 2: writes, growing and flushing, new files, new folders, renames. Each number is one place at which a
 * real disk may fail. A line "fired" is reported for the first that fails.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FULL, ONCE, BROKEN, KILL };
static int report = -1, mode, fired;
static long at, count;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

void torture_arm(int descriptor, long fail, int how) { at = fail, mode = how, report = descriptor; }

/* The errno with which this operation fails, 0 where it goes on. */
static int fails(void) {
    if (report < 0) return 0;
    pthread_mutex_lock(&turn);
    long number = ++count;
    int now = at && (mode == FULL ? number >= at : number == at);
    if (now && !fired) fired = 1, (void)!syscall(SYS_write, report, "fired\n", 6L);
    pthread_mutex_unlock(&turn);
    if (now && mode == KILL) kill(getpid(), SIGKILL);
    return now ? (mode == BROKEN ? EIO : ENOSPC) : 0;
}

static int regular(int descriptor) {
    struct stat found;
    return descriptor > 2 && fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode);
}

/* The real one, and ours, which fails where it is this operation's turn. */
#define OURS(type, name, takes, gives, counts, failed)                  \
    type name takes {                                                   \
        static type(*real) takes;                                       \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);           \
        int error = (counts) ? fails() : 0;                             \
        if (error) return failed;                                       \
        return real gives;                                              \
    }
#define ON_FILE(type, name, takes, gives) OURS(type, name, takes, gives, regular(fd), (errno = error, -1))
#define ON_PATH(name, takes, gives) OURS(int, name, takes, gives, 1, (errno = error, -1))

ON_FILE(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
ON_FILE(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t place), (fd, from, size, place))
ON_FILE(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t place), (fd, from, size, place))
ON_FILE(ssize_t, writev, (int fd, const struct iovec *parts, int number), (fd, parts, number))
ON_FILE(ssize_t, pwritev, (int fd, const struct iovec *parts, int number, off_t place), (fd, parts, number, place))
ON_FILE(int, ftruncate, (int fd, off_t size), (fd, size))
ON_FILE(int, ftruncate64, (int fd, off64_t size), (fd, size))
ON_FILE(int, fallocate, (int fd, int how, off_t place, off_t size), (fd, how, place, size))
ON_FILE(int, fallocate64, (int fd, int how, off64_t place, off64_t size), (fd, how, place, size))
OURS(int, posix_fallocate, (int fd, off_t place, off_t size), (fd, place, size), regular(fd), error)
OURS(int, posix_fallocate64, (int fd, off64_t place, off64_t size), (fd, place, size), regular(fd), error)
ON_FILE(int, fsync, (int fd), (fd))
ON_FILE(int, fdatasync, (int fd), (fd))
ON_PATH(mkdir, (const char *path, mode_t rights), (path, rights))
ON_PATH(rename, (const char *from, const char *to), (from, to))
ON_PATH(renameat, (int folder, const char *from, int other, const char *to), (folder, from, other, to))

/* A new file needs room for its name; one that is there needs none. */
#define OPENS(name, before, names, path)                                                     \
    int name(before const char *path, int how, ...) {                                        \
        static int (*real)(before const char *, int, ...);                                   \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                                \
        va_list rest;                                                                        \
        va_start(rest, how);                                                                 \
        mode_t rights = (how & O_CREAT) ? va_arg(rest, mode_t) : 0;                          \
        va_end(rest);                                                                        \
        int error = (how & O_CREAT) && access(path, F_OK) ? fails() : 0;                     \
        return error ? (errno = error, -1) : real(names path, how, rights);                  \
    }
#define NONE
#define FOLDER int folder,
#define THERE folder,
OPENS(open, NONE, NONE, path)
OPENS(open64, NONE, NONE, path)
OPENS(openat, FOLDER, THERE, path)
OPENS(openat64, FOLDER, THERE, path)
