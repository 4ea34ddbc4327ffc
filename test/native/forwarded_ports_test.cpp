// port.forward: with a network agent, which starts the forwarder.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../cpp/agent/network_agent.h"
#include "../../cpp/host/host_machine.h"
#include "support/check.h"
#include "support/program_builder.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

std::string port_bytes(uint8_t protocol, uint16_t port) {
  std::string bytes{static_cast<char>(protocol), 4, static_cast<char>(port >> 8),
                    static_cast<char>(port & 0xff)};
  const in_addr_t address = htonl(INADDR_LOOPBACK);
  bytes.append(reinterpret_cast<const char*>(&address), sizeof address);
  return bytes.append(12, '\0');
}

std::string forward(uint8_t protocol, uint16_t from, uint16_t to) {
  return port_bytes(protocol, from) + port_bytes(protocol, to);
}

bool is_free(int type, uint16_t port) {
  const UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

// The agent of one supervisor, in this network namespace.
struct AgentProcess {
  AgentProcess() {
    int pair[2];
    expect_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0, "socketpair");
    channel.reset(pair[0]);
    pid = fork();
    if (pid == 0) run_network_agent(pair[1], 0);
    close(pair[1]);
  }
  ~AgentProcess() {
    channel.reset();
    waitpid(pid, nullptr, 0);
  }
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  UniqueFd channel;
  pid_t pid;
};

// The supervisor's runs of one program, which forwards these ports.
struct Runs {
  ProgramBuilder::Bytes bytes;
  Program program;
  std::unique_ptr<Workplace> workplace = std::make_unique<Workplace>();
  std::unique_ptr<HostMachine> machine;

  Runs(const std::string& lines, const std::string& ports, const AgentProcess* agent)
      : bytes(ProgramBuilder::startable()
                  .step(Phase::kHost, Op::kPortForward, {{}, {lines, ports}, {}})
                  .build()) {
    const char* reason = nullptr;
    expect(Program::decode(bytes.data(), bytes.size(), program, reason), "the program to be valid");
    if (agent != nullptr) workplace->agent.reset(dup(agent->channel.get()));
  }
  ~Runs() { end_forwarder(workplace->forwarder); }
  Runs(const Runs&) = delete;
  Runs& operator=(const Runs&) = delete;

  Status start() {
    machine = std::make_unique<HostMachine>(program, nullptr, *workplace, -1, -1);
    for (size_t i = 0; i < program.count(Phase::kHost); ++i) {
      const Step& step = program.step(Phase::kHost, i);
      if (step.op == Op::kPortForward) return steps::port_forward(*machine, step);
    }
    return Error{ENOENT, "port.forward"};
  }
};

}  // namespace

int main() {
  if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0) return 0;
  {
    const UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    expect_equal(ioctl(any.get(), SIOCSIFFLAGS, &request), 0, "SIOCSIFFLAGS");
  }

  test("ports are kept over the runs of a program, and are free after the last one", [] {
    const AgentProcess agent;
    Runs runs("127.0.0.1:8080/tcp\n127.0.0.1:5353/udp",
              forward(IPPROTO_TCP, 8080, 80) + forward(IPPROTO_UDP, 5353, 53), &agent);
    for (int run = 0; run < 3; ++run) {
      expect(runs.start().ok(), "it to start");
      expect(!is_free(SOCK_STREAM, 8080) && !is_free(SOCK_DGRAM, 5353), "its ports");
      pause_forwarder(runs.workplace->forwarder);
      expect(!is_free(SOCK_STREAM, 8080) && !is_free(SOCK_DGRAM, 5353), "its ports");
    }
    end_forwarder(runs.workplace->forwarder);
    expect(is_free(SOCK_STREAM, 8080) && is_free(SOCK_DGRAM, 5353), "free ports");
  });

  test("a port that another has is named, and the others are free again", [] {
    const AgentProcess agent;
    Runs first("127.0.0.1:8080/tcp", forward(IPPROTO_TCP, 8080, 80), &agent);
    expect(first.start().ok(), "it to start");
    Runs second("127.0.0.1:8079/tcp\n127.0.0.1:8080/tcp",
                forward(IPPROTO_TCP, 8079, 80) + forward(IPPROTO_TCP, 8080, 80), &agent);
    const Status refused = second.start();
    expect_equal(refused.error().number, EADDRINUSE);
    expect_equal(std::string(refused.error().object), "127.0.0.1:8080/tcp");
    expect(!second.workplace->forwarder.valid(), "no forwarder");
    end_forwarder(first.workplace->forwarder);
    expect(second.start().ok(), "it to start");
  });

  test("another program leads to other ports, or nowhere", [] {
    const AgentProcess agent;
    const UniqueFd container(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(54);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    expect_equal(bind(container.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    Runs runs("127.0.0.1:5353/udp", forward(IPPROTO_UDP, 5353, 53), &agent);
    expect(runs.start().ok(), "it to start");
    const auto arrives = [&] {
      const UniqueFd client(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      address.sin_port = htons(5353);
      sendto(client.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
      const timeval patience{0, 300'000};
      setsockopt(container.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      char byte;
      return recv(container.get(), &byte, 1, 0) == 1;
    };
    expect(!arrives(), "nothing to come");
    const Runs other("127.0.0.1:5353/udp", forward(IPPROTO_UDP, 5353, 54), &agent);
    redirect_forwarder(runs.workplace->forwarder, other.program);
    expect(arrives(), "it to come");
    const Runs none("", "", &agent);
    redirect_forwarder(runs.workplace->forwarder, none.program);
    expect(!arrives(), "nothing to come");
    expect(runs.workplace->forwarder.valid(), "it to be there");
  });

  test("a forwarder that has ended is replaced by the next run", [] {
    const AgentProcess agent;
    Runs runs("127.0.0.1:8080/tcp", forward(IPPROTO_TCP, 8080, 80), &agent);
    expect(runs.start().ok(), "it to start");
    shutdown(runs.workplace->forwarder.get(), SHUT_WR);
    for (int i = 0; i < 1000 && !is_free(SOCK_STREAM, 8080); ++i)
      usleep(10'000);
    pause_forwarder(runs.workplace->forwarder);
    expect(!runs.workplace->forwarder.valid(), "it to be missed");
    expect(runs.start().ok(), "it to start");
    expect(!is_free(SOCK_STREAM, 8080), "its port");
  });

  test("one that was killed is replaced while a run goes on, unless another has its port", [] {
    const AgentProcess agent;
    Runs runs("127.0.0.1:8080/tcp", forward(IPPROTO_TCP, 8080, 80), &agent);
    expect(runs.start().ok(), "it to start");
    end_forwarder(runs.workplace->forwarder);
    expect(replace_forwarder(*runs.workplace, runs.program, runs.program).ok(), "another one");
    expect(!is_free(SOCK_STREAM, 8080), "its port");
    end_forwarder(runs.workplace->forwarder);
    Runs other("127.0.0.1:8080/tcp", forward(IPPROTO_TCP, 8080, 80), &agent);
    expect(other.start().ok(), "it to start");
    const Status refused = replace_forwarder(*runs.workplace, runs.program, runs.program);
    expect_equal(refused.error().number, EADDRINUSE);
    expect(!runs.workplace->forwarder.valid(), "no forwarder");
    const Runs none("", "", &agent);
    end_forwarder(other.workplace->forwarder);
    // The container was taken from its networks meanwhile: the port is kept.
    expect(replace_forwarder(*runs.workplace, runs.program, none.program).ok(), "another one");
    expect(!is_free(SOCK_STREAM, 8080), "its port");
  });

  test("hundreds of ports are sent in parts", [] {
    const AgentProcess agent;
    std::string lines, ports;
    for (uint16_t port = 20000; port < 20600; ++port) {
      lines += (lines.empty() ? "" : "\n") + std::to_string(port);
      ports += forward(IPPROTO_UDP, port, port);
    }
    Runs runs(lines, ports, &agent);
    expect(runs.start().ok(), "it to start");
    for (const uint16_t port : std::initializer_list<uint16_t>{20000, 20252, 20253, 20599})
      expect(!is_free(SOCK_DGRAM, port), "port " + std::to_string(port));
  });

  test("without an agent, with one that has ended, and bytes that are no ports", [] {
    expect_equal(Runs("x", forward(IPPROTO_TCP, 8080, 80), nullptr).start().error().number, EBADF);
    const AgentProcess agent;
    expect_equal(Runs("x", "123", &agent).start().error().number, EINVAL);
    Runs runs("x", forward(IPPROTO_TCP, 8080, 80), &agent);
    shutdown(agent.channel.get(), SHUT_RDWR);
    expect(!runs.start().ok(), "it to fail");
    expect(is_free(SOCK_STREAM, 8080), "the port to be free");
  });

  return result();
}
