/* Stands between the program and the system in tests, by LD_PRELOAD: counts every call that changes a
 * file below some folders, and at the n-th of them kills, stops, fails, or takes the power away.
 *
 *   FAULT_PROGRAM  the program that is meant (its children are left alone)
 *   FAULT_ROOTS    folders, separated by ':'; calls elsewhere are not counted
 *   FAULT_LOG      a line "letter path" for every call, appended before it is made
 *   FAULT_DO       kill | tear | stop | fail | power | names | data | farewell
 *   FAULT_AT       at which call, from 1
 *   FAULT_CALLS    letters of the calls that count (all, where absent); see below
 *   FAULT_ERRNO    for `fail`: what the call says, as a number
 *   FAULT_TIMES    for `fail`: how many calls in a row fail (1)
 *   FAULT_SHADOW   for the loss of power: an empty folder on the same volume, below no root
 *   FAULT_SEED     for the loss of power: which pages of unsynced data are lost (0: all)
 *   FAULT_PROCESSES  a folder that the program sees where /proc is; alone, nothing is counted
 *
 * `farewell` counts nothing: the process aborts when it runs what libraries registered for its end.
 *
 * Letters: W write, S sync, R rename, L link, U unlink, O open that creates or cuts, P open to write,
 * M make a folder, D remove a folder, T cut or lengthen, A mode or times, K lock to write.
 *
 * The loss of power: what was not synced is undone, then the process is killed. Data belongs to the
 * file (synced by fsync of it), a name to its folder (synced by fsync of that). A rename is a new name
 * in one folder and the loss of one in another. `names` undoes only names, `data` only data.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { NOTHING, KILL, TEAR, STOP, FAIL, POWER, FAREWELL };

static int active, log_fd = -1, keep_names, keep_data;
static enum action what;
static long at, times = 1, seen, sequence;
static int error_number;
static const char *calls, *roots, *shadow, *processes;
static uint64_t seed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *program = getenv("FAULT_PROGRAM");
    if (!program || strcmp(program, program_invocation_short_name)) return;
    const char *text;
    roots = getenv("FAULT_ROOTS");
    calls = getenv("FAULT_CALLS");
    shadow = getenv("FAULT_SHADOW");
    processes = getenv("FAULT_PROCESSES");
    if ((text = getenv("FAULT_AT"))) at = atol(text);
    if ((text = getenv("FAULT_TIMES"))) times = atol(text);
    if ((text = getenv("FAULT_ERRNO"))) error_number = atoi(text);
    if ((text = getenv("FAULT_SEED"))) seed = strtoull(text, NULL, 10);
    if ((text = getenv("FAULT_DO"))) {
        if (!strcmp(text, "kill")) what = KILL;
        if (!strcmp(text, "tear")) what = TEAR;
        if (!strcmp(text, "stop")) what = STOP;
        if (!strcmp(text, "fail")) what = FAIL;
        if (!strcmp(text, "power")) what = POWER;
        if (!strcmp(text, "farewell")) what = FAREWELL;
        if (!strcmp(text, "names")) what = POWER, keep_data = 1;
        if (!strcmp(text, "data")) what = POWER, keep_names = 1;
    }
    if ((text = getenv("FAULT_LOG"))) {
        int fd = syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
        syscall(SYS_close, fd);
    }
    active = roots != NULL;
}

__attribute__((destructor)) static void farewell(void) {
    if (what == FAREWELL) abort();
}

static int below_roots(const char *path) {
    for (const char *from = roots; *from;) {
        const char *end = strchrnul(from, ':');
        size_t length = end - from;
        if (!strncmp(path, from, length) && (path[length] == '/' || !path[length])) return 1;
        from = *end ? end + 1 : end;
    }
    return 0;
}

static int path_of_fd(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return -1;
    path[length] = 0;
    return 0;
}

static int path_at(int folder, const char *name, char *path) {
    if (!name) return -1;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return 0;
    }
    char base[PATH_MAX];
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return -1;
    } else if (path_of_fd(folder, base)) {
        return -1;
    }
    if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return -1;
    return 0;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* ---- the loss of power ---- */

/* A file whose data changed since it was last synced. */
struct data {
    int fd, copy;
    dev_t device;
    ino_t inode;
    off_t size;
    struct data *next;
};

/* A name that was given (saved is empty) or taken away (saved names the same file in the shadow; for a
 * folder it is empty, too) and is not synced. */
struct name {
    int given, is_folder;
    char folder[PATH_MAX], path[PATH_MAX], saved[PATH_MAX];
    mode_t mode;
    struct name *next;
};

static struct data *unsynced;
static struct name *names;

static void remember_data(int fd, const char *path) {
    struct stat stat;
    if (what != POWER || keep_data || fstat(fd, &stat) || !S_ISREG(stat.st_mode)) return;
    size_t length = strlen(path);
    if (length > 4 && !strcmp(path + length - 4, "-shm")) return;
    for (struct data *it = unsynced; it; it = it->next)
        if (it->inode == stat.st_ino && it->device == stat.st_dev) return;
    char from[64], copy[PATH_MAX];
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    snprintf(copy, sizeof copy, "%s/data-%ld", shadow, ++sequence);
    struct data *it = calloc(1, sizeof *it);
    it->fd = syscall(SYS_openat, AT_FDCWD, from, O_RDWR | O_CLOEXEC, 0);
    it->copy = syscall(SYS_openat, AT_FDCWD, copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (it->fd < 0 || it->copy < 0) {
        free(it);
        return;
    }
    it->fd = fcntl(it->fd, F_DUPFD_CLOEXEC, 500);
    it->copy = fcntl(it->copy, F_DUPFD_CLOEXEC, 500);
    char block[65536];
    ssize_t got;
    off_t offset = 0;
    while ((got = syscall(SYS_pread64, it->fd, block, sizeof block, offset)) > 0)
        offset += syscall(SYS_pwrite64, it->copy, block, got, offset);
    it->size = stat.st_size;
    it->inode = stat.st_ino;
    it->device = stat.st_dev;
    it->next = unsynced;
    unsynced = it;
}

static void forget_data(int fd) {
    struct stat stat;
    if (what != POWER || fstat(fd, &stat)) return;
    for (struct data **it = &unsynced; *it; it = &(*it)->next) {
        struct data *found = *it;
        if (found->inode != stat.st_ino || found->device != stat.st_dev) continue;
        *it = found->next;
        syscall(SYS_close, found->fd);
        syscall(SYS_close, found->copy);
        free(found);
        return;
    }
}

static void remember_name(int given, const char *path, int is_folder) {
    if (what != POWER || keep_names || !below_roots(path)) return;
    struct name *it = calloc(1, sizeof *it);
    it->given = given;
    it->is_folder = is_folder;
    snprintf(it->path, sizeof it->path, "%s", path);
    snprintf(it->folder, sizeof it->folder, "%s", path);
    char *slash = strrchr(it->folder, '/');
    if (slash) *slash = 0;
    if (!given && !is_folder) {
        snprintf(it->saved, sizeof it->saved, "%s/name-%ld", shadow, ++sequence);
        if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, it->saved, 0)) {
            free(it);
            return;
        }
    }
    struct stat stat;
    if (is_folder && !lstat(path, &stat)) it->mode = stat.st_mode & 07777;
    it->next = names;
    names = it;
}

/* The call failed: nothing of that happened. */
static void take_back_name(void) {
    struct name *it = names;
    if (what != POWER || keep_names || !it) return;
    if (it->saved[0]) syscall(SYS_unlinkat, AT_FDCWD, it->saved, 0);
    names = it->next;
    free(it);
}

static void forget_names(const char *folder) {
    if (what != POWER) return;
    for (struct name **it = &names; *it;) {
        struct name *found = *it;
        if (strcmp(found->folder, folder)) {
            it = &found->next;
            continue;
        }
        if (found->saved[0]) syscall(SYS_unlinkat, AT_FDCWD, found->saved, 0);
        *it = found->next;
        free(found);
    }
}

static uint64_t dice(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void lose_power(void) {
    for (struct data *it = unsynced; it; it = it->next) {
        char old[4096], now[4096];
        struct stat stat;
        if (fstat(it->fd, &stat)) continue;
        if (!seed || dice() & 1) {
            if (syscall(SYS_ftruncate, it->fd, it->size)) continue;
        }
        for (off_t offset = 0; offset < it->size; offset += sizeof old) {
            if (seed && dice() & 1) continue;
            ssize_t got = syscall(SYS_pread64, it->copy, old, sizeof old, offset);
            if (got > 0) syscall(SYS_pwrite64, it->fd, old, got, offset);
        }
        /* Beyond the old end a page may be there in length and not in content. */
        for (off_t offset = it->size; seed && offset < stat.st_size; offset += sizeof now) {
            memset(now, 0, sizeof now);
            off_t left = stat.st_size - offset;
            size_t part = left < (off_t)sizeof now ? (size_t)left : sizeof now;
            if (dice() & 1 && !fstat(it->fd, &stat) && stat.st_size > offset)
                syscall(SYS_pwrite64, it->fd, now, part, offset);
        }
    }
    for (struct name *it = names; it; it = it->next) {
        if (it->given)
            syscall(SYS_unlinkat, AT_FDCWD, it->path, it->is_folder ? AT_REMOVEDIR : 0);
        else if (it->is_folder)
            syscall(SYS_mkdirat, AT_FDCWD, it->path, it->mode);
        else
            syscall(SYS_linkat, AT_FDCWD, it->saved, AT_FDCWD, it->path, 0);
    }
}

/* ---- counting ---- */

static void note(char letter, const char *path) {
    if (log_fd < 0) return;
    char line[PATH_MAX + 8];
    int length = snprintf(line, sizeof line, "%c %s\n", letter, path);
    syscall(SYS_write, log_fd, line, length);
}

/* Whether the call shall fail; -1 for one that is not counted, 2 for a write that tears. Holds the lock
 * on return, until `done`. */
static int before(char letter, const char *path) {
    if (!active || inside || !below_roots(path)) return -1;
    if (calls && !strchr(calls, letter)) {
        if (what != POWER) return -1;
        pthread_mutex_lock(&lock);
        inside = 1;
        return 0;
    }
    pthread_mutex_lock(&lock);
    inside = 1;
    seen++;
    note(letter, path);
    if (!at || seen < at) return 0;
    switch (what) {
    case KILL:
        if (seen == at) die();
        break;
    case TEAR:
        if (seen == at && letter == 'W') return 2;
        if (seen == at) die();
        break;
    case STOP:
        if (seen == at) syscall(SYS_kill, getpid(), SIGSTOP);
        break;
    case FAIL:
        if (seen < at + times) return 1;
        break;
    case POWER:
        if (seen == at) {
            lose_power();
            die();
        }
        break;
    case FAREWELL:
    case NOTHING:
        break;
    }
    return 0;
}

static void done(int counted) {
    if (counted < 0) return;
    inside = 0;
    pthread_mutex_unlock(&lock);
}

#define REFUSE(counted) \
    if ((counted) == 1) { \
        done(counted); \
        errno = error_number; \
        return -1; \
    }

/* ---- the calls ---- */

static int before_fd(char letter, int fd, char *path) {
    if (!active || inside || path_of_fd(fd, path)) return -1;
    return before(letter, path);
}

#define WRITE(fd, buffer, length, half, whole) \
    REAL_CALL; \
    char path[PATH_MAX]; \
    int counted = before_fd('W', fd, path); \
    REFUSE(counted); \
    if (counted == 2) { \
        half; \
        die(); \
    } \
    if (counted >= 0) remember_data(fd, path); \
    ssize_t result = whole; \
    int error = errno; \
    done(counted); \
    errno = error; \
    return result

#define REAL_CALL REAL(write)
ssize_t write(int fd, const void *buffer, size_t length) {
    WRITE(fd, buffer, length, real(fd, buffer, length / 2), real(fd, buffer, length));
}
#undef REAL_CALL
#define REAL_CALL REAL(pwrite)
ssize_t pwrite(int fd, const void *buffer, size_t length, off_t offset) {
    WRITE(fd, buffer, length, real(fd, buffer, length / 2, offset), real(fd, buffer, length, offset));
}
#undef REAL_CALL
#define REAL_CALL REAL(pwrite64)
ssize_t pwrite64(int fd, const void *buffer, size_t length, off64_t offset) {
    WRITE(fd, buffer, length, real(fd, buffer, length / 2, offset), real(fd, buffer, length, offset));
}
#undef REAL_CALL
#define REAL_CALL REAL(writev)
ssize_t writev(int fd, const struct iovec *parts, int count) {
    WRITE(fd, parts, count, real(fd, parts, count / 2), real(fd, parts, count));
}
#undef REAL_CALL
#define REAL_CALL REAL(copy_file_range)
ssize_t copy_file_range(int from, off64_t *read_at, int fd, off64_t *write_at, size_t length, unsigned flags) {
    WRITE(fd, from, length, real(from, read_at, fd, write_at, length / 2, flags),
          real(from, read_at, fd, write_at, length, flags));
}
#undef REAL_CALL
#define REAL_CALL REAL(sendfile)
#include <sys/sendfile.h>
ssize_t sendfile(int fd, int from, off_t *offset, size_t length) {
    WRITE(fd, from, length, real(fd, from, offset, length / 2), real(fd, from, offset, length));
}
#undef REAL_CALL

#define CUT(name, type) \
    int name(int fd, type length) { \
        REAL(name); \
        char path[PATH_MAX]; \
        int counted = before_fd('T', fd, path); \
        REFUSE(counted); \
        if (counted >= 0) remember_data(fd, path); \
        int result = real(fd, length), error = errno; \
        done(counted); \
        errno = error; \
        return result; \
    }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

#define SYNC(name) \
    int name(int fd) { \
        REAL(name); \
        char path[PATH_MAX]; \
        int counted = before_fd('S', fd, path); \
        REFUSE(counted); \
        int result = real(fd), error = errno; \
        if (counted >= 0 && !result) { \
            forget_data(fd); \
            forget_names(path); \
        } \
        done(counted); \
        errno = error; \
        return result; \
    }
SYNC(fsync)
SYNC(fdatasync)

static int change_name(char letter, int old_folder, const char *old, int new_folder, const char *new, int flags,
                       long number) {
    char from[PATH_MAX], to[PATH_MAX];
    int counted = -1;
    if (active && !inside && !path_at(old_folder, old, from) && !path_at(new_folder, new, to)) {
        counted = before(letter, to);
        if (counted < 0) counted = before(letter, from);
    }
    REFUSE(counted);
    int moved = 0;
    struct stat stat;
    if (counted >= 0 && what == POWER && !lstat(from, &stat) && !S_ISDIR(stat.st_mode)) {
        if (letter == 'R' && !(flags & RENAME_NOREPLACE) && !lstat(to, &stat)) remember_name(0, to, 0), moved++;
        if (letter == 'R') remember_name(0, from, 0), moved++;
        remember_name(1, to, 0), moved++;
    }
    int result = syscall(number, old_folder, old, new_folder, new, flags), error = errno;
    if (result)
        while (moved--) take_back_name();
    done(counted);
    errno = error;
    return result;
}

int rename(const char *old, const char *new) {
    return change_name('R', AT_FDCWD, old, AT_FDCWD, new, 0, SYS_renameat2);
}
int renameat(int of, const char *old, int nf, const char *new) {
    return change_name('R', of, old, nf, new, 0, SYS_renameat2);
}
int renameat2(int of, const char *old, int nf, const char *new, unsigned flags) {
    return change_name('R', of, old, nf, new, flags, SYS_renameat2);
}
int link(const char *old, const char *new) {
    return change_name('L', AT_FDCWD, old, AT_FDCWD, new, 0, SYS_linkat);
}
int linkat(int of, const char *old, int nf, const char *new, int flags) {
    return change_name('L', of, old, nf, new, flags, SYS_linkat);
}

static int take_name(char letter, int folder, const char *name, int flags) {
    char path[PATH_MAX];
    int counted = active && !inside && !path_at(folder, name, path) ? before(letter, path) : -1;
    REFUSE(counted);
    struct name *last = names;
    if (counted >= 0) remember_name(0, path, flags & AT_REMOVEDIR);
    int result = syscall(SYS_unlinkat, folder, name, flags), error = errno;
    if (result && counted >= 0 && names != last) take_back_name();
    done(counted);
    errno = error;
    return result;
}
int unlink(const char *name) { return take_name('U', AT_FDCWD, name, 0); }
int rmdir(const char *name) { return take_name('D', AT_FDCWD, name, AT_REMOVEDIR); }
int unlinkat(int folder, const char *name, int flags) {
    return take_name(flags & AT_REMOVEDIR ? 'D' : 'U', folder, name, flags);
}

int mkdirat(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    int counted = active && !inside && !path_at(folder, name, path) ? before('M', path) : -1;
    REFUSE(counted);
    int result = syscall(SYS_mkdirat, folder, name, mode), error = errno;
    if (!result && counted >= 0) remember_name(1, path, 1);
    done(counted);
    errno = error;
    return result;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

/* What stands where /proc does; other names stay as they are. */
static const char *in_place(const char *name, char *other) {
    if (!processes || strncmp(name, "/proc", 5) || (name[5] && name[5] != '/')) return name;
    if (!strncmp(name, "/proc/self", 10)) return name;
    snprintf(other, PATH_MAX, "%s%s", processes, name + 5);
    return other;
}

DIR *opendir(const char *name) {
    REAL(opendir);
    char other[PATH_MAX];
    return real(in_place(name, other));
}

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX], other[PATH_MAX];
    name = in_place(name, other);
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    char letter = flags & (O_CREAT | O_TRUNC) ? 'O' : 'P';
    int counted = -1, was_there = 1;
    if (writes && active && !inside && !path_at(folder, name, path)) {
        struct stat stat;
        was_there = !fstatat(folder, name, &stat, 0);
        /* A file that is there is not changed by O_CREAT. */
        if (letter == 'O' && was_there && !(flags & (O_TRUNC | O_EXCL))) letter = 'P';
        if (letter == 'O' || (calls && strchr(calls, 'P'))) counted = before(letter, path);
    }
    REFUSE(counted);
    if (counted >= 0 && flags & O_TRUNC && was_there && what == POWER) {
        int fd = syscall(SYS_openat, folder, name, O_RDWR | O_CLOEXEC, 0);
        if (fd >= 0) {
            remember_data(fd, path);
            syscall(SYS_close, fd);
        }
    }
    int result = syscall(SYS_openat, folder, name, flags, mode), error = errno;
    if (result >= 0 && counted >= 0 && !was_there) remember_name(1, path, 0);
    done(counted);
    errno = error;
    return result;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }
int open(const char *name, int flags, ...) { MODE(flags); return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags); return open_at(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags); return open_at(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags); return open_at(folder, name, flags, mode); }
int creat(const char *name, mode_t mode) { return open_at(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode); }

#define ATTRIBUTE_FD(declaration, name, fd, ...) \
    declaration { \
        REAL(name); \
        char path[PATH_MAX]; \
        int counted = before_fd('A', fd, path); \
        REFUSE(counted); \
        int result = real(__VA_ARGS__), error = errno; \
        done(counted); \
        errno = error; \
        return result; \
    }
ATTRIBUTE_FD(int fchmod(int fd, mode_t mode), fchmod, fd, fd, mode)
ATTRIBUTE_FD(int futimens(int fd, const struct timespec times[2]), futimens, fd, fd, times)
ATTRIBUTE_FD(int fchown(int fd, uid_t user, gid_t group), fchown, fd, fd, user, group)

int chmod(const char *name, mode_t mode) {
    REAL(chmod);
    char path[PATH_MAX];
    int counted = active && !inside && !path_at(AT_FDCWD, name, path) ? before('A', path) : -1;
    REFUSE(counted);
    int result = real(name, mode), error = errno;
    done(counted);
    errno = error;
    return result;
}

static int lock_of(int fd, int command, void *more) {
    static int (*real)(int, int, ...);
    if (!real) real = (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64");
    int counted = -1;
    char path[PATH_MAX];
    int writes = (command == F_SETLK || command == F_OFD_SETLK) && ((struct flock *)more)->l_type == F_WRLCK;
    if (active && writes && calls && strchr(calls, 'K')) counted = before_fd('K', fd, path);
    REFUSE(counted);
    int result = real(fd, command, more), error = errno;
    done(counted);
    errno = error;
    return result;
}
int fcntl(int fd, int command, ...) {
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    return lock_of(fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    return lock_of(fd, command, argument);
}
