/*
 * A synthesiser that a tenant's text has taken over: it tries what it must not be able to do.
 *
 * Called as espeak-ng is, it reads the path of the server's database from its standard input and says
 * what it has found as a WAV: one second of sound if every attempt failed, five if one succeeded.
 * Called as `spy DATABASE PORT`, it prints each attempt and `yes` or `no`.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int talks, found;

static void report(const char *what, int succeeded) {
    found |= succeeded;
    if (!talks) printf("%s %s\n", what, succeeded ? "yes" : "no");
}

static int reads(const char *path) {
    char byte;
    int file = open(path, O_RDONLY);
    int got = file >= 0 && read(file, &byte, 1) == 1;
    if (file >= 0) close(file);
    return got;
}

static int reads_of_parent(const char *what) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", getppid(), what);
    return reads(path);
}

static int connects(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int line = socket(AF_INET, SOCK_STREAM, 0);
    return line >= 0 && connect(line, (struct sockaddr *)&to, sizeof to) == 0;
}

static int writes(const char *database) {
    char path[4096];
    snprintf(path, sizeof path, "%s.spy", database);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    return file >= 0 && write(file, "x", 1) == 1 && unlink(path) == 0;
}

static int forks(void) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    return child > 0 && waitpid(child, NULL, 0) == child;
}

static int inherits(void) {
    for (int number = 3; number < 256; number++)
        if (fcntl(number, F_GETFD) >= 0) return 1;
    return 0;
}

static int takes_memory(void) {
    void *much = mmap(NULL, 1 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return much != MAP_FAILED;
}

static int lists(const char *path) {
    DIR *directory = opendir(path);
    return directory && readdir(directory);
}

static void tries(const char *database, int port) {
    struct rlimit limit;
    report("inherited", inherits());
    report("environ", reads_of_parent("environ"));
    report("status", reads_of_parent("status"));
    report("database", reads(database));
    report("passwords", reads("/etc/passwd"));
    report("directory", lists("/"));
    report("write", writes(database));
    report("tcp", connects(port));
    report("udp", socket(AF_INET, SOCK_DGRAM, 0) >= 0);
    report("unix", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    report("fork", forks());
    report("signal", kill(getppid(), 0) == 0);
    report("limits", prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit) == 0);
    report("memory", takes_memory());
    report("core", getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max > 0);
}

static void number(uint32_t value, int bytes) {
    for (; bytes > 0; bytes--, value >>= 8) putchar(value & 255);
}

static void sounds(int seconds) {
    uint32_t bytes = seconds * 2 * 22050;
    fputs("RIFF", stdout), number(36 + bytes, 4), fputs("WAVEfmt ", stdout);
    number(16, 4), number(1, 2), number(1, 2), number(22050, 4), number(44100, 4);
    number(2, 2), number(16, 2), fputs("data", stdout), number(bytes, 4);
    for (uint32_t sample = 0; sample < bytes / 2; sample++)
        number(sample / 25 % 2 ? 8000 : 0xffff - 8000, 2);
}

int main(int count, char **words) {
    talks = count > 1 && !strcmp(words[1], "-b");
    if (talks) {
        char database[4096] = "";
        size_t length = fread(database, 1, sizeof database - 1, stdin);
        database[length] = 0;
        tries(database, 9);
        sounds(found ? 5 : 1);
        return 0;
    }
    tries(words[1], atoi(words[2]));
    fflush(stdout);
    /* Last, since it does not come back. */
    execl("/bin/echo", "echo", "other yes", NULL);
    puts("other no");
    return 0;
}
