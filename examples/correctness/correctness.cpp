// SPDX-License-Identifier: MIT
//
// Makes system calls that are known exactly, inside spans, and prints what a correct trace of them holds.
// Threads × works `work` spans, each a child of its thread's `request`, each making ten calls, every one on a
// source line of its own. tools/check-correctness.ts compares that list with what Skua recorded; calls.json
// says which system call each call becomes.
//
// Usage: correctness [--threads N] [--works N] [--dir DIR]
#define JAEGERTRACING_NO_YAML_CPP  // nothing here is configured by YAML, and its headers are slow to compile
#include <fcntl.h>
#include <jaegertracing/Tracer.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

enum Slot {
    kGetpid,
    kGetppid,
    kGettid,
    kGettimeofday,
    kNanosleep,
    kOpen,
    kWrite,
    kFstat,
    kClose,
    kFutex,
    kSlots
};
const char* const kNames[kSlots] = {"getpid", "getppid", "gettid", "gettimeofday", "nanosleep",
                                    "open",   "write",   "fstat",  "close",        "futex"};

struct Call {
    int line;
    long result;
};

// What is known of one work span, and memory for its calls, so that none is allocated while it is recorded.
struct Work {
    char path[256];
    timespec sleep;
    struct stat status;
    timeval now;
    int file;
    int futex;
    size_t bytes;
    Call calls[kSlots];
    std::unique_ptr<opentracing::Span> span;
};

struct Worker {
    std::unique_ptr<opentracing::Span> request;
    long tid;
    std::vector<Work> works;
};

char written[65536];

// Makes one call and notes its line: both must be on the line of the macro.
#define CALL(slot, expression) work.calls[slot].line = __LINE__, work.calls[slot].result = (expression)

void makeCalls(Work& work) {
    CALL(kGetpid, getpid());
    CALL(kGetppid, getppid());
    CALL(kGettid, gettid());
    CALL(kGettimeofday, gettimeofday(&work.now, nullptr));
    CALL(kNanosleep, nanosleep(&work.sleep, nullptr));
    CALL(kOpen, work.file = open(work.path, O_CREAT | O_WRONLY | O_TRUNC, 0600));
    CALL(kWrite, write(work.file, written, work.bytes));
    CALL(kFstat, fstat(work.file, &work.status));
    CALL(kClose, close(work.file));
    CALL(kFutex, syscall(SYS_futex, &work.futex, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0));
}

// The allocator takes its memory and fills its caches now, and not inside a span: last a block that leaves
// the arena room.
void warmUpAllocator() {
    for (size_t bytes = 16; bytes <= 256; bytes += 16) {
        void* blocks[7];
        for (void*& block : blocks) block = malloc(bytes);
        for (void* block : blocks) free(block);
    }
    free(malloc(60 * 1024));
}

void runWorker(Worker& worker, pthread_barrier_t& start) {
    const auto tracer = opentracing::Tracer::Global();
    worker.tid = gettid();
    warmUpAllocator();
    pthread_barrier_wait(&start);
    worker.request = tracer->StartSpan("request");
    for (Work& work : worker.works) {
        work.span = tracer->StartSpan("work", {opentracing::ChildOf(&worker.request->context())});
        makeCalls(work);
        work.span->Finish();
    }
    worker.request->Finish();
}

void print(const Worker& worker, size_t thread, size_t index) {
    const Work& work = worker.works[index];
    const std::string id = work.span->context().ToTraceID();
    const std::string padded = std::string(32 - id.size(), '0') + id;
    std::printf(
        "{\"work\":{\"thread\":%zu,\"index\":%zu,\"tid\":%ld,\"traceId\":\"%s\",\"requestId\":\"%s\","
        "\"spanId\":\"%s\"",
        thread, index, worker.tid, padded.c_str(), worker.request->context().ToSpanID().c_str(),
        work.span->context().ToSpanID().c_str());
    std::printf(
        ",\"values\":{\"path\":\"%s\",\"fd\":\"%d\",\"bytes\":\"%zu\",\"buffer\":\"%p\",\"sleep\":\"%p\","
        "\"futex\":\"%p\"}",
        work.path, work.file, work.bytes, static_cast<const void*>(written),
        static_cast<const void*>(&work.sleep), static_cast<const void*>(&work.futex));
    std::printf(",\"calls\":[");
    for (int slot = 0; slot < kSlots; ++slot) {
        std::printf("%s{\"call\":\"%s\",\"line\":%d,\"result\":%ld}", slot == 0 ? "" : ",", kNames[slot],
                    work.calls[slot].line, work.calls[slot].result);
    }
    std::printf("]}}\n");
}

size_t number(int argc, char** argv, const char* option, size_t fallback) {
    for (int i = 1; i + 1 < argc; ++i) {
        if (std::strcmp(argv[i], option) == 0) return std::strtoul(argv[i + 1], nullptr, 10);
    }
    return fallback;
}

std::string directory(int argc, char** argv) {
    for (int i = 1; i + 1 < argc; ++i) {
        if (std::strcmp(argv[i], "--dir") == 0) return argv[i + 1];
    }
    char name[] = "/tmp/skua-correctness-XXXXXX";
    if (mkdtemp(name) == nullptr) {
        std::perror("mkdtemp");
        std::exit(1);
    }
    return name;
}

}  // namespace

int main(int argc, char** argv) {
    const size_t threads = number(argc, argv, "--threads", 50);
    const size_t works = number(argc, argv, "--works", 10);
    const std::string dir = directory(argc, argv);
    if (threads * works >= sizeof written) {
        std::fprintf(stderr, "At most %zu works in all.\n", sizeof written - 1);
        return 2;
    }

    jaegertracing::Config config(false, false,
                                 jaegertracing::samplers::Config(jaegertracing::kSamplerTypeConst, 1),
                                 jaegertracing::reporters::Config(static_cast<int>(threads * (works + 1) * 2),
                                                                  std::chrono::seconds(1)));
    config.fromEnv();
    const auto tracer =
        jaegertracing::Tracer::make("correctness", config, jaegertracing::logging::consoleLogger());
    opentracing::Tracer::InitGlobal(tracer);

    std::vector<Worker> workers(threads);
    for (size_t t = 0; t < threads; ++t) {
        workers[t].works.resize(works);
        for (size_t w = 0; w < works; ++w) {
            Work& work = workers[t].works[w];
            const size_t serial = t * works + w + 1;
            std::snprintf(work.path, sizeof work.path, "%s/thread-%zu-work-%zu", dir.c_str(), t, w);
            work.sleep = {0, static_cast<long>(serial) * 100};
            work.bytes = serial;
        }
    }

    pthread_barrier_t start;
    pthread_barrier_init(&start, nullptr, static_cast<unsigned>(threads));
    std::vector<std::thread> running;
    for (Worker& worker : workers) running.emplace_back([&worker, &start] { runWorker(worker, start); });
    for (std::thread& thread : running) thread.join();
    opentracing::Tracer::Global()->Close();

    std::printf(
        "{\"program\":{\"name\":\"correctness\",\"pid\":%d,\"source\":\"%s\",\"threads\":%zu,\"works\":%zu}}"
        "\n",
        getpid(), __FILE__, threads, works);
    for (size_t t = 0; t < threads; ++t) {
        for (size_t w = 0; w < works; ++w) {
            print(workers[t], t, w);
            unlink(workers[t].works[w].path);
        }
    }
    rmdir(dir.c_str());
    const auto statistics = std::static_pointer_cast<jaegertracing::Tracer>(tracer)->statistics();
    std::printf("{\"tracer\":{\"finished\":%llu,\"reported\":%llu,\"dropped\":%llu}}\n",
                static_cast<unsigned long long>(statistics.finished),
                static_cast<unsigned long long>(statistics.reported),
                static_cast<unsigned long long>(statistics.droppedQueue + statistics.droppedLarge +
                                                statistics.droppedFailed));
    return 0;
}
