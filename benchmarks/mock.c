/* A server of chat completions that is faster than whoever measures with it: one thread, epoll, keep-alive, HTTP/1.1.

   usage: mock [--latency-ms N] [--rpm N] [--tpm N] [--window-s N]

   Prints the port that it listens on (127.0.0.1). A request whose schema has an enum gets the verdict that its words
   support: every answer begins with a grade, and of two quoted the larger wins; so does one without a schema that speaks of
   [[A]], [[B]] or [[C]]. Any other gets about 200 tokens made of the request's hash. GET /stats: calls answered, verdicts
   among them, calls refused (429), its own CPU seconds, the tokens it billed, those that --tpm counted, how many it
   answered a second over the middle three fifths of them, and when the first came, by the machine's monotonic clock (0:
   none).

   --rpm and --tpm hold in a sliding window of --window-s seconds (60), as a real window does: so many requests, and so
   many tokens (a quarter of the characters and max_tokens, as providers reserve) in any stretch of that length. SIGUSR1
   halves both. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, ROOM = 1 << 14, CONNECTIONS = 1 << 14, ANSWER = 1 << 13, WORDS = 150 };

static const char *const VOCABULARY[] = {
    "river", "water", "stone", "carries", "the", "of", "and", "slowly", "because", "a", "delta", "north", "season",
    "often", "under", "bridge", "field", "that", "which", "sediment", "layer", "moves", "when", "rain", "falls", "early",
    "spring", "with", "more", "than", "before", "valley", "people", "built", "along", "its", "banks", "trade", "salt",
    "glass", "iron", "ships", "could", "not", "pass", "during", "winter", "ice", "thick", "enough", "to", "hold",
    "carts", "so", "they", "waited", "until", "thaw", "and", "then", "went", "down", "toward", "sea"};
enum { KNOWN = sizeof VOCABULARY / sizeof *VOCABULARY };

typedef struct {
    int fd;
    size_t have, size;
    char *in;
} Peer;

typedef struct { double due; int fd; unsigned turn; size_t size; char *bytes; } Late; /* answers that wait: due in order */
typedef struct { double at; double tokens; } Sent;

static Peer *peers[CONNECTIONS];
static unsigned turns[CONNECTIONS]; /* of each fd how often it was closed: an answer to one that is gone is dropped */
static Late *late;
static size_t late_first, late_last, late_room = 1 << 16;
static Sent *sent;
static size_t sent_first, sent_last, sent_room = 1 << 22;
static double sent_tokens, reserved;
static double latency, rpm, tpm, window = 60;
static double *times; /* when each call was answered */
static size_t times_room = 1 << 16;
static long answered, verdicts, refused;
static double billed_in, billed_out;

static void halve(int signal_) { (void)signal_; rpm /= 2; tpm /= 2; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t mixed(uint64_t x) {
    x ^= x >> 30; x *= 0xbf58476d1ce4e5b9u; x ^= x >> 27; x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t hashed(const char *text, size_t size) { /* eight bytes at a time */
    uint64_t h = 0x9e3779b97f4a7c15u, part;
    for (; size >= 8; text += 8, size -= 8) { memcpy(&part, text, 8); h = (h ^ part) * 0x100000001b3u; h ^= h >> 29; }
    for (; size; text++, size--) h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return mixed(h);
}

/* Seconds until the limits leave room for a request of so many tokens; 0 and it counts. */
static double held(double at, double tokens) {
    double wait = 0;
    if (!rpm && !tpm) return 0;
    while (sent_first != sent_last && sent[sent_first % sent_room].at <= at - window) {
        sent_tokens -= sent[sent_first++ % sent_room].tokens;
    }
    if (rpm && (double)(sent_last - sent_first) + 1 > rpm * window / 60) {
        size_t over = sent_last - sent_first + 1 - (size_t)(rpm * window / 60);
        wait = sent[(sent_first + over - 1) % sent_room].at + window - at;
    }
    if (tpm && sent_tokens + tokens > tpm * window / 60) {
        double free_ = tpm * window / 60 - sent_tokens;
        size_t i = sent_first;
        for (; i != sent_last && free_ < tokens; i++) free_ += sent[i % sent_room].tokens;
        double other = i == sent_first ? 0 : sent[(i - 1) % sent_room].at + window - at;
        if (other > wait) wait = other;
    }
    if (wait > 0) return wait;
    sent[sent_last++ % sent_room] = (Sent){at, tokens};
    sent_tokens += tokens;
    reserved += tokens;
    return 0;
}

/* The label that the words support, as JSON within JSON; between brackets where no schema lists the labels. */
static size_t verdict(char *out, const char *body, const char *labels) {
    const char *first = strstr(body, "Grade "), *second = first ? strstr(first + 6, "Grade ") : NULL;
    int a = first ? atoi(first + 6) : 0, b = second ? atoi(second + 6) : 0, wanted = a > b ? 0 : a < b ? 1 : 2;
    const char *at = labels ? strchr(labels, '[') : NULL, *end = NULL;
    if (!labels) return (size_t)sprintf(out, "[[%c]]", "ABC"[wanted]);
    for (int i = 0; at && i <= wanted; i++) {
        at = strchr(end ? end + 1 : at, '"');
        end = at ? strchr(at + 1, '"') : NULL;
        if (!end) break;
    }
    if (!end) return (size_t)sprintf(out, "nothing");
    return (size_t)sprintf(out, "{\\\"verdict\\\": \\\"%.*s\\\"}", (int)(end - at - 1), at + 1);
}

static size_t prose(char *out, uint64_t lot) {
    char *at = out + sprintf(out, "Grade %03d.", (int)(lot % 1000));
    for (int i = 0; i < WORDS; i++) {
        lot = lot * 6364136223846793005u + 1442695040888963407u;
        const char *word = VOCABULARY[(lot >> 33) % KNOWN];
        size_t size = strlen(word);
        *at++ = ' ';
        memcpy(at, word, size);
        at += size;
        if (i % 14 == 13) *at++ = '.';
    }
    return (size_t)(at - out);
}

static size_t with_head(char *out, const char *status, const char *extra, const char *body, size_t size) {
    int n = sprintf(out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", status, extra, size);
    memcpy(out + n, body, size);
    return (size_t)n + size;
}

static size_t stats(char *out) {
    struct rusage used;
    char body[480];
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
        + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
    long from = answered / 5, to = answered - 1 - from;
    double rate = to > from && times[to] > times[from] ? (double)(to - from) / (times[to] - times[from]) : 0;
    int n = sprintf(body, "{\"answered\": %ld, \"verdicts\": %ld, \"refused\": %ld, \"cpu_s\": %.6f, \"input\": %.0f, "
        "\"output\": %.0f, \"reserved\": %.0f, \"steady\": %.1f, \"first\": %.6f}", answered, verdicts, refused, cpu,
        billed_in, billed_out, reserved, rate, answered ? times[0] : 0);
    return with_head(out, "200 OK", "", body, (size_t)n);
}

static size_t completion(char *out, const char *body, size_t size) {
    static char said[ANSWER / 2], whole[ANSWER];
    uint64_t lot = hashed(body, size);
    const char *labels = strstr(body, "\"enum\":"), *limit = strstr(body, "\"max_");
    const char *number = limit ? strchr(limit, ':') : NULL;
    int judged = labels || strstr(body, "[[A]]"), in = (int)(size / 4), out_ = judged ? 8 : 200;
    double wait = held(now(), in + (number ? atof(number + 1) : 0));
    if (wait > 0) {
        char extra[120];
        refused++;
        sprintf(extra, "Retry-After: %d\r\nretry-after-ms: %.0f\r\n", (int)wait + 1, wait * 1000 + 1);
        int n = sprintf(whole, "{\"error\": {\"message\": \"Rate limit reached\", \"type\": \"rate_limit_exceeded\", "
            "\"code\": \"rate_limit_exceeded\"}}");
        return with_head(out, "429 Too Many Requests", extra, whole, (size_t)n);
    }
    size_t n = judged ? verdict(said, body, labels) : prose(said, lot);
    int all = sprintf(whole, "{\"id\": \"chatcmpl-%016llx\", \"object\": \"chat.completion\", \"created\": 1760000000, "
        "\"model\": \"mock\", \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"%.*s\", "
        "\"refusal\": null}, \"logprobs\": null, \"finish_reason\": \"stop\"}], \"usage\": {\"prompt_tokens\": %d, "
        "\"completion_tokens\": %d, \"total_tokens\": %d}}", (unsigned long long)lot, (int)n, said, in, out_, in + out_);
    if ((size_t)answered == times_room) times = realloc(times, (times_room *= 2) * sizeof *times);
    times[answered++] = now();
    verdicts += judged;
    billed_in += in;
    billed_out += out_;
    return with_head(out, "200 OK", "", whole, (size_t)all);
}

static void shut(int fd) {
    free(peers[fd]->in);
    free(peers[fd]);
    peers[fd] = NULL;
    turns[fd]++;
    close(fd);
}

static void say(int fd, const char *bytes, size_t size) { /* an answer fits into a socket's buffer, of one call at a time */
    while (size) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n < 0) return;
        bytes += n;
        size -= (size_t)n;
    }
}

static void later(int fd, const char *bytes, size_t size) {
    if (late_last - late_first == late_room) exit(2);
    char *copy = malloc(size);
    memcpy(copy, bytes, size);
    late[late_last++ % late_room] = (Late){now() + latency, fd, turns[fd], size, copy};
}

static void due(double at) {
    for (; late_first != late_last && late[late_first % late_room].due <= at; late_first++) {
        Late *one = &late[late_first % late_room];
        if (peers[one->fd] && turns[one->fd] == one->turn) say(one->fd, one->bytes, one->size);
        free(one->bytes);
    }
}

/* One whole request at the head of what came, answered; bytes it took, 0 while it is not whole. */
static size_t one_request(Peer *peer) {
    static char out[2 * ANSWER];
    peer->in[peer->have] = 0;
    char *end = strstr(peer->in, "\r\n\r\n");
    if (!end) return 0;
    *end = 0;
    char *length = strcasestr(peer->in, "\r\ncontent-length:");
    *end = '\r';
    size_t body = length ? strtoul(length + 17, NULL, 10) : 0, head = (size_t)(end + 4 - peer->in);
    if (peer->have < head + body) return 0;
    char kept = peer->in[head + body];
    peer->in[head + body] = 0;
    if (strncmp(peer->in, "GET /stats", 10) == 0) say(peer->fd, out, stats(out));
    else if (strncmp(peer->in, "POST ", 5) != 0) say(peer->fd, out, with_head(out, "404 Not Found", "", "{}", 2));
    else {
        size_t size = completion(out, peer->in + head, body);
        if (latency > 0) later(peer->fd, out, size);
        else say(peer->fd, out, size);
    }
    peer->in[head + body] = kept;
    return head + body;
}

static void heard(Peer *peer) {
    for (;;) {
        if (peer->size - peer->have < ROOM) peer->in = realloc(peer->in, (peer->size += ROOM) + 1);
        ssize_t n = recv(peer->fd, peer->in + peer->have, peer->size - peer->have, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) { shut(peer->fd); return; }
        peer->have += (size_t)n;
        for (size_t took; (took = one_request(peer)); peer->have -= took) {
            memmove(peer->in, peer->in + took, peer->have - took);
        }
        if (peer->have < peer->size) return;
    }
}

static void welcome(int door, int poll) {
    for (int fd; (fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (fd >= CONNECTIONS) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        peers[fd] = calloc(1, sizeof(Peer));
        peers[fd]->fd = fd;
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
    }
}

static int listening(void) {
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(door, (struct sockaddr *)&address, size) || listen(door, 4096)) { perror("mock"); exit(1); }
    getsockname(door, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return door;
}

static void told(int count, char **words) {
    for (int i = 1; i + 1 < count; i += 2) {
        double value = atof(words[i + 1]);
        if (!strcmp(words[i], "--latency-ms")) latency = value / 1000;
        else if (!strcmp(words[i], "--rpm")) rpm = value;
        else if (!strcmp(words[i], "--tpm")) tpm = value;
        else if (!strcmp(words[i], "--window-s")) window = value;
        else { fprintf(stderr, "mock: no such option: %s\n", words[i]); exit(2); }
    }
}

int main(int count, char **words) {
    static struct epoll_event events[EVENTS];
    told(count, words);
    signal(SIGUSR1, halve);
    times = calloc(times_room, sizeof *times);
    late = calloc(late_room, sizeof *late);
    sent = calloc(sent_room, sizeof *sent);
    int door = listening(), poll = epoll_create1(0);
    epoll_ctl(poll, EPOLL_CTL_ADD, door, &(struct epoll_event){.events = EPOLLIN, .data.fd = door});
    for (;;) {
        double wait = late_first == late_last ? -1 : (late[late_first % late_room].due - now()) * 1000;
        int n = epoll_wait(poll, events, EVENTS, late_first == late_last ? -1 : wait < 0 ? 0 : (int)wait + 1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == door) welcome(door, poll);
            else if (peers[events[i].data.fd]) heard(peers[events[i].data.fd]);
        }
        due(now());
    }
}
