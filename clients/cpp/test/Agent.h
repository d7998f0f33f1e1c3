// SPDX-License-Identifier: MIT
#ifndef SKUA_TEST_AGENT_H
#define SKUA_TEST_AGENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "Check.h"

// A value of any Thrift type: only the member of its type means anything.
struct Thrift {
    int64_t number = 0;
    double real = 0;
    std::string text;
    std::vector<Thrift> list;
    std::map<int, Thrift> fields;

    const Thrift& at(int id) const {
        CHECK(fields.count(id) == 1);
        return fields.at(id);
    }
    bool has(int id) const { return fields.count(id) == 1; }
};

// Reads Thrift's compact protocol, written from its specification and not from the encoder under test.
class CompactReader {
  public:
    explicit CompactReader(std::string bytes) : _bytes(std::move(bytes)) {}

    // A call of `name`: its arguments.
    Thrift message(const std::string& name) {
        CHECK_EQUAL(int(byte()), 0x82);
        CHECK_EQUAL(int(byte()), 0x81);  // version 1, oneway
        (void)varint();
        CHECK_EQUAL(binary(), name);
        const Thrift arguments = structure();
        CHECK_EQUAL(_at, _bytes.size());
        return arguments;
    }

  private:
    unsigned char byte() {
        CHECK(_at < _bytes.size());
        return static_cast<unsigned char>(_bytes[_at++]);
    }
    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0;; shift += 7) {
            const unsigned char next = byte();
            value |= static_cast<uint64_t>(next & 0x7f) << shift;
            if ((next & 0x80) == 0) return value;
        }
    }
    int64_t zigzag() {
        const uint64_t value = varint();
        return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
    }
    std::string binary() {
        const uint64_t size = varint();
        CHECK(_at + size <= _bytes.size());
        _at += size;
        return _bytes.substr(_at - size, size);
    }
    Thrift value(int type) {
        Thrift result;
        if (type == 1 || type == 2) result.number = type == 1;
        if (type >= 4 && type <= 6) result.number = zigzag();
        if (type == 7) {
            uint64_t bits = 0;
            for (int i = 0; i < 8; ++i) bits |= static_cast<uint64_t>(byte()) << (8 * i);
            std::memcpy(&result.real, &bits, sizeof bits);
        }
        if (type == 8) result.text = binary();
        if (type == 9) {
            const unsigned char header = byte();
            uint64_t size = header >> 4;
            if (size == 15) size = varint();
            for (uint64_t i = 0; i < size; ++i) result.list.push_back(value(header & 15));
        }
        if (type == 12) result = structure();
        CHECK((type >= 1 && type <= 9 && type != 3) || type == 12);
        return result;
    }
    Thrift structure() {
        Thrift result;
        int64_t id = 0;
        for (;;) {
            const unsigned char header = byte();
            if (header == 0) return result;
            id = (header >> 4) != 0 ? id + (header >> 4) : zigzag();
            result.fields[static_cast<int>(id)] = value(header & 15);
        }
    }

    const std::string _bytes;
    size_t _at = 0;
};

// The agent's UDP port: keeps what arrives until it is asked for.
class Agent {
  public:
    Agent() {
        _socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CHECK(bind(_socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        socklen_t size = sizeof address;
        CHECK(getsockname(_socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        _port = ntohs(address.sin_port);
        const int bytes = 8 << 20;
        setsockopt(_socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    ~Agent() { close(_socket); }

    std::string hostPort() const { return "127.0.0.1:" + std::to_string(_port); }

    // The batches that have arrived.
    std::vector<Thrift> batches() {
        std::vector<Thrift> result;
        std::string buffer(65536, '\0');
        for (;;) {
            const ssize_t bytes = recv(_socket, &buffer[0], buffer.size(), MSG_DONTWAIT);
            if (bytes < 0) return result;
            CHECK(bytes <= 65000);
            result.push_back(
                CompactReader(buffer.substr(0, static_cast<size_t>(bytes))).message("emitBatch").at(1));
        }
    }
    std::vector<Thrift> spans() {
        std::vector<Thrift> result;
        for (const Thrift& batch : batches()) {
            for (const Thrift& span : batch.at(2).list) result.push_back(span);
        }
        return result;
    }

  private:
    int _socket;
    int _port;
};

inline const Thrift* findTag(const Thrift& tags, const std::string& key) {
    for (const Thrift& tag : tags.list) {
        if (tag.at(1).text == key) return &tag;
    }
    return nullptr;
}

#endif  // SKUA_TEST_AGENT_H
