// SPDX-License-Identifier: MIT
//
// The checkout of a small shop. Two tills take orders at the same time: each looks up prices, reserves stock,
// asks the bank, and writes the order to the journal. Some orders take far longer than others. A usual trace
// says in which step; run it with Skua's kernel tracing and the system calls below the step say why.
//
// Usage: checkout [--orders N] [--data FOLDER]
#define JAEGERTRACING_NO_YAML_CPP  // configured in code; YAML's headers are slow to compile
#include <fcntl.h>
#include <jaegertracing/Tracer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

using opentracing::ChildOf;
using opentracing::Span;
using opentracing::SpanContext;
using opentracing::Tracer;
using namespace std::chrono_literals;

namespace {

struct Order {
    int number;
    std::string article;
    std::string coupon;
};

std::string dataFolder = "data";
std::mutex journalMutex;
std::mutex stockMutex;
std::map<std::string, int> stock = {{"tea", 40}, {"coffee", 40}, {"cocoa", 40}};

std::unique_ptr<Span> child(const char* name, const Span& parent) {
    return Tracer::Global()->StartSpan(name, {ChildOf(&parent.context())});
}

std::string readWholeFile(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return "";
    std::string text;
    char block[512];
    for (ssize_t bytes; (bytes = read(file, block, sizeof block)) > 0;) text.append(block, bytes);
    close(file);
    return text;
}

// Reads the price list anew for each order, block by block: many small system calls.
double lookUpPrice(const Span& checkout, const Order& order) {
    const auto span = child("look up price", checkout);
    std::istringstream prices(readWholeFile(dataFolder + "/prices.csv"));
    std::string line;
    double price = 0;
    while (std::getline(prices, line)) {
        if (line.compare(0, order.article.size() + 1, order.article + ',') == 0)
            price = std::strtod(line.c_str() + order.article.size() + 1, nullptr);
    }
    // Few coupons exist: the kernel says ENOENT.
    if (!readWholeFile(dataFolder + "/coupons/" + order.coupon).empty()) price *= 0.9;
    span->SetTag("price", price);
    return price;
}

bool reserveStock(const Span& checkout, const Order& order) {
    const auto span = child("reserve stock", checkout);
    const std::lock_guard<std::mutex> lock(stockMutex);
    int& left = stock[order.article];
    if (left == 0) return false;
    left -= 1;
    span->SetTag("left", left);
    return true;
}

// The bank is a thread of its own, across a socket. The context travels in the message, so that its work is
// in the same trace.
bool askBank(const Span& checkout, int socket, double amount) {
    const auto span = child("ask bank", checkout);
    std::ostringstream message;
    message.write(reinterpret_cast<const char*>(&amount), sizeof amount);
    Tracer::Global()->Inject(span->context(), message);
    send(socket, message.str().data(), message.str().size(), 0);
    char answer = 0;
    recv(socket, &answer, 1, 0);
    return answer == 'y';
}

void bank(int socket) {
    char message[512];
    for (ssize_t bytes; (bytes = recv(socket, message, sizeof message, 0)) > 0;) {
        std::istringstream carrier(std::string(message + sizeof(double), bytes - sizeof(double)));
        const auto caller = Tracer::Global()->Extract(carrier);
        const auto span = Tracer::Global()->StartSpan("authorize", {ChildOf(caller->get())});
        std::this_thread::sleep_for(15ms);  // The bank thinks.
        send(socket, "y", 1, 0);
    }
}

// Copies the journal to a second file and forces that to the disk as well. The longer the day, the longer it
// takes.
void backUpJournal() {
    const int from = open((dataFolder + "/journal.log").c_str(), O_RDONLY | O_CLOEXEC);
    const int to =
        open((dataFolder + "/journal.bak").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    char block[64 * 1024];
    for (ssize_t bytes; (bytes = read(from, block, sizeof block)) > 0;) {
        if (write(to, block, bytes) < 0) break;
    }
    fsync(to);
    close(to);
    close(from);
}

// Every order is forced to the disk before the lock is given back: safe, and slow for whoever waits. Every
// fifth time somebody thought it a good idea to make a copy as well.
void writeJournal(const Span& checkout, const Order& order, double price) {
    const auto span = child("write journal", checkout);
    char entry[128 * 1024];
    const int length =
        std::snprintf(entry, sizeof entry, "order %d: %s %.2f\n", order.number, order.article.c_str(), price);
    std::memset(entry + length, ' ', sizeof entry - length);

    const std::lock_guard<std::mutex> lock(journalMutex);
    const int journal =
        open((dataFolder + "/journal.log").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (write(journal, entry, sizeof entry) < 0) span->SetTag("error", true);
    fsync(journal);
    close(journal);
    if (order.number % 5 == 0) backUpJournal();
}

void checkOut(const Order& order, int bankSocket) {
    const auto start = std::chrono::steady_clock::now();
    const auto span = Tracer::Global()->StartSpan("checkout", {opentracing::SetTag("order", order.number)});
    span->SetTag("span.kind", "server");
    const double price = lookUpPrice(*span, order);
    const bool paid = reserveStock(*span, order) && askBank(*span, bankSocket, price);
    if (paid) writeJournal(*span, order, price);
    span->SetTag("error", !paid);
    span->Finish();
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    std::printf("order %2d  %-6s  %6.2f  %s  %4lld ms\n", order.number, order.article.c_str(), price,
                paid ? "paid" : "sold out", static_cast<long long>(took.count()));
}

// A till takes the next order until none is left. A pause between orders: customers pack their bags.
void till(const std::vector<Order>& orders, std::atomic<size_t>& next) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return;
    std::thread bankThread(bank, sockets[1]);
    for (size_t at; (at = next++) < orders.size();) {
        checkOut(orders[at], sockets[0]);
        std::this_thread::sleep_for(120ms);
    }
    shutdown(sockets[0], SHUT_RDWR);
    bankThread.join();
    close(sockets[0]);
    close(sockets[1]);
}

void startTracing() {
    jaegertracing::Config config(false, jaegertracing::samplers::Config(jaegertracing::kSamplerTypeConst, 1));
    config.fromEnv();
    Tracer::InitGlobal(
        jaegertracing::Tracer::make("checkout", config, jaegertracing::logging::consoleLogger()));
}

}  // namespace

int main(int argc, char** argv) {
    size_t count = 20;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::strcmp(argv[i], "--orders") == 0) count = std::strtoul(argv[i + 1], nullptr, 10);
        if (std::strcmp(argv[i], "--data") == 0) dataFolder = argv[i + 1];
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    startTracing();

    const char* const articles[] = {"tea", "coffee", "cocoa"};
    std::vector<Order> orders;
    for (size_t i = 0; i < count; ++i)
        orders.push_back({static_cast<int>(i + 1), articles[i % 3], i % 4 == 0 ? "SPRING" : "BIRTHDAY"});

    unlink((dataFolder + "/journal.log").c_str());
    std::atomic<size_t> next{0};
    std::thread first([&] { till(orders, next); });
    std::thread second([&] { till(orders, next); });
    first.join();
    second.join();
    Tracer::Global()->Close();
}
