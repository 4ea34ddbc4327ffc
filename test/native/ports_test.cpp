// port.bind: the sockets that keep ports of the host for a container.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../cpp/base/link.h"
#include "../../cpp/host/host_machine.h"
#include "support/check.h"
#include "support/open_descriptors.h"
#include "support/program_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

std::string port_bytes(uint8_t protocol, uint8_t version, uint16_t port, const char* address) {
  std::string bytes{static_cast<char>(protocol), static_cast<char>(version),
                    static_cast<char>(port >> 8), static_cast<char>(port & 0xff)};
  char binary[16] = {};
  expect_equal(inet_pton(version == 4 ? AF_INET : AF_INET6, address, binary), 1, "inet_pton");
  return bytes.append(binary, sizeof binary);
}

// A start that has executed one port.bind.
struct Start {
  ProgramBuilder::Bytes bytes;
  Program program;
  std::unique_ptr<Workplace> workplace = std::make_unique<Workplace>();
  std::unique_ptr<HostMachine> machine;

  Start(const std::string& lines, const std::string& ports)
      : bytes(ProgramBuilder::startable()
                  .step(Phase::kHost, Op::kPortBind, {{}, {lines, ports}, {}})
                  .build()) {
    const char* reason = nullptr;
    expect(Program::decode(bytes.data(), bytes.size(), program, reason), "the program to be valid");
    machine = std::make_unique<HostMachine>(program, nullptr, *workplace, -1, -1);
  }

  Status bind() {
    for (size_t i = 0; i < program.count(Phase::kHost); ++i) {
      const Step& step = program.step(Phase::kHost, i);
      if (step.op == Op::kPortBind) return steps::port_bind(*machine, step);
    }
    return Error{ENOENT, "port.bind"};
  }
};

void expect_error(const Status& status, int number, const char* object) {
  expect_equal(status.error().number, number, "errno");
  expect_equal(std::string(status.error().object), std::string(object), "object");
}

}  // namespace

int main() {
  if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0) return 0;
  // Before a network namespace has its first address, the kernel takes every address for its own.
  expect(set_link_up("lo").ok(), "the loopback interface to be up");

  test("a port is kept until the descriptor is closed", [] {
    const std::string tcp = port_bytes(IPPROTO_TCP, 4, 8080, "0.0.0.0");
    Start first("0.0.0.0:8080/tcp", tcp);
    expect(first.bind().ok(), "bound");
    expect(first.machine->ports.valid(), "kept");
    Start second("0.0.0.0:8079/tcp\n0.0.0.0:8080/tcp",
                 port_bytes(IPPROTO_TCP, 4, 8079, "0.0.0.0") + tcp);
    expect_error(second.bind(), EADDRINUSE, "0.0.0.0:8080/tcp");
    expect(!second.machine->ports.valid(), "nothing is kept of a step that has failed");
    first.machine.reset();
    expect(second.bind().ok(), "bound after the first has gone");
  });

  test("families and protocols have their own ports", [] {
    Start start("a\nb\nc\nd", port_bytes(IPPROTO_TCP, 4, 53, "0.0.0.0") +
                                  port_bytes(IPPROTO_UDP, 4, 53, "0.0.0.0") +
                                  port_bytes(IPPROTO_TCP, 6, 53, "::") +
                                  port_bytes(IPPROTO_UDP, 6, 53, "::"));
    expect(start.bind().ok(), "bound");
  });

  test("SCTP is skipped where the kernel has none", [] {
    const int socket_of_sctp = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
    if (socket_of_sctp >= 0) close(socket_of_sctp);
    Start start("a", port_bytes(IPPROTO_SCTP, 4, 9, "0.0.0.0"));
    expect(start.bind().ok(), "bound");
  });

  test("thousands of ports are one descriptor", [] {
    std::string ports;
    std::string lines;
    for (uint16_t port = 20000; port < 22000; ++port) {
      ports += port_bytes(IPPROTO_UDP, 6, port, "::");
      lines += "[::]:" + std::to_string(port) + "/udp\n";
    }
    lines.pop_back();
    const int before = open_descriptors();
    {
      Start start(lines, ports);
      expect(start.bind().ok(), "bound");
      expect_equal(open_descriptors(), before + 1, "descriptors");
      Start last("[::]:21999/udp", port_bytes(IPPROTO_UDP, 6, 21999, "::"));
      expect_error(last.bind(), EADDRINUSE, "[::]:21999/udp");
    }
    expect_equal(open_descriptors(), before, "descriptors");
    Start again(lines, ports);
    expect(again.bind().ok(), "bound again");
  });

  test("an address that the host has not, and bytes that are no ports", [] {
    expect_error(Start("192.0.2.1:80/tcp", port_bytes(IPPROTO_TCP, 4, 80, "192.0.2.1")).bind(),
                 EADDRNOTAVAIL, "192.0.2.1:80/tcp");
    expect_equal(Start("x", "123").bind().error().number, EINVAL);
  });
}
