// Traffic between containers and machines, timed by the one who asks: the same program for all
// engines.
//   traffic serve [ADDRESS]   takes bytes on TCP port 7000, echoes on 7001; with an address also
//   answers every query for
//                             a name on UDP port 53, with the next of the addresses from that one
//                             on
//   traffic ask               reads lines "WHAT HOST COUNT"; prints one JSON line each time, in
//   microseconds:
//     bytes HOST COUNT        BYTES through one connection, until the other side has read all of
//     them answers HOST COUNT      one byte there and back, of an open connection: the mean of
//     EXCHANGES connections HOST COUNT  a new connection, until it is made names SUFFIX COUNT a
//     look-up of a name that was never asked for, and a connection to its address
// HOST is ADDRESS or ADDRESS:PORT, where PORT stands for 7000 and the next one for 7001.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kPort = 7000, kBytes = 256 << 20, kExchanges = 500, kDescriptors = 1024, kHello = 1 };
static char buffer[128 << 10];

static int check(const char* what, long result) {
  if (result >= 0) return (int)result;
  perror(what);
  exit(1);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct sockaddr_in to(const char* address, int port) {
  struct sockaddr_in found = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, address, &found.sin_addr) == 1) return found;
  fprintf(stderr, "%s is no address\n", address);
  exit(2);
}

static int bound(int type, int port) {
  const int on = 1;
  const int fd = check("socket", socket(AF_INET, type | SOCK_CLOEXEC, 0));
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const struct sockaddr_in any = to("0.0.0.0", port);
  check("bind", bind(fd, (const struct sockaddr*)&any, sizeof any));
  if (type == SOCK_STREAM) check("listen", listen(fd, 512));
  return fd;
}

// Then lets the queue fill up: what follows wakes nothing.
static void answer_hello(int fd) {
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  char byte;
  if (recvfrom(fd, &byte, 1, 0, (struct sockaddr*)&from, &size) != 1 || byte != kHello) return;
  sendto(fd, &byte, 1, 0, (const struct sockaddr*)&from, size);
  usleep(10000);
}

// The question as it came, and one address (RFC 1035). AAAA has no answer.
static void answer_query(int fd, uint32_t* next) {
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  uint8_t packet[512 + 16];
  const ssize_t length = recvfrom(fd, packet, 512, 0, (struct sockaddr*)&from, &size);
  if (length < 17) return;
  ssize_t at = 12;
  while (at < length && packet[at] != 0)
    at += packet[at] + 1;
  at += 5;
  if (at > length) return;
  const int is_address = packet[at - 3] == 1;
  packet[2] |= 0x80;
  packet[3] = 0x80;
  packet[7] = (uint8_t)is_address;
  memset(packet + 8, 0, 4);  // without the additional record of EDNS
  if (is_address) {
    static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
    const uint32_t address = htonl((*next)++);
    memcpy(packet + at, record, sizeof record);
    memcpy(packet + at + sizeof record, &address, 4);
    at += sizeof record + 4;
  }
  sendto(fd, packet, (size_t)at, 0, (const struct sockaddr*)&from, size);
}

// The first address that is not of the loopback device.
static void print_own_address(void) {
  struct ifaddrs* all;
  check("getifaddrs", getifaddrs(&all));
  for (struct ifaddrs* each = all; each != NULL; each = each->ifa_next) {
    if (each->ifa_addr == NULL || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &((struct sockaddr_in*)each->ifa_addr)->sin_addr, text, sizeof text);
    printf("{\"address\":\"%s\"}\n", text);
    break;
  }
  puts("{\"done\":true}");
  fflush(stdout);
}

// Until the end of its standard input.
static _Noreturn void serve(const char* first_address) {
  static uint8_t echoes[kDescriptors];
  const int sinks = bound(SOCK_STREAM, kPort);
  const int mirrors = bound(SOCK_STREAM, kPort + 1);
  const int queue = bound(SOCK_DGRAM, kPort);
  const int smallest = 0;
  setsockopt(queue, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
  const int names = first_address == NULL ? -1 : bound(SOCK_DGRAM, 53);
  uint32_t next = first_address == NULL ? 0 : ntohl(to(first_address, 0).sin_addr.s_addr);
  const int set = check("epoll_create", epoll_create1(EPOLL_CLOEXEC));
  const int listening[] = {STDIN_FILENO, sinks, mirrors, queue, names};
  for (int i = 0; i < (names < 0 ? 4 : 5); i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listening[i]};
    check("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, listening[i], &event));
  }
  print_own_address();
  for (;;) {
    struct epoll_event event;
    if (epoll_wait(set, &event, 1, -1) < 1) continue;
    const int fd = event.data.fd;
    if (fd == STDIN_FILENO) {
      if (read(fd, buffer, sizeof buffer) <= 0) exit(0);
    } else if (fd == queue) {
      answer_hello(fd);
    } else if (fd == names) {
      answer_query(fd, &next);
    } else if (fd == sinks || fd == mirrors) {
      const int on = 1;
      const int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
      if (connection < 0) continue;
      if (connection >= kDescriptors) {
        close(connection);
        continue;
      }
      echoes[connection] = fd == mirrors;
      setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      event.data.fd = connection;
      epoll_ctl(set, EPOLL_CTL_ADD, connection, &event);
    } else {
      const ssize_t length = read(fd, buffer, sizeof buffer);
      if (length <= 0 || (echoes[fd] && write(fd, buffer, (size_t)length) < 0)) close(fd);
    }
  }
}

static int connect_to(struct sockaddr_in address) {
  const int on = 1;
  const struct linger reset = {.l_onoff = 1};
  const int fd = check("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check("connect", connect(fd, (const struct sockaddr*)&address, sizeof address));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Thousands of connections would otherwise be remembered for a minute.
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return fd;
}

static double bytes(struct sockaddr_in address) {
  const int fd = connect_to(address);
  const double begin = now_us();
  for (long left = kBytes; left > 0;) {
    const size_t part = left < (long)sizeof buffer ? (size_t)left : sizeof buffer;
    left -= check("write", write(fd, buffer, part));
  }
  check("shutdown", shutdown(fd, SHUT_WR));
  if (check("read", read(fd, buffer, 1)) != 0) exit(1);
  const double took = now_us() - begin;
  close(fd);
  return took;
}

static double answers(struct sockaddr_in address) {
  const int fd = connect_to(address);
  const double begin = now_us();
  for (int i = 0; i < kExchanges; i++) {
    check("write", write(fd, buffer, 1));
    if (check("read", read(fd, buffer, 1)) != 1) exit(1);
  }
  const double took = now_us() - begin;
  close(fd);
  return took / kExchanges;
}

static double datagrams(struct sockaddr_in address) {
  const struct timeval patience = {.tv_usec = 100000};
  const int fd = check("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  check("connect", connect(fd, (const struct sockaddr*)&address, sizeof address));
  // The answer makes it a connection, as far as the kernel tracks those.
  char answer = 0;
  for (int i = 0; i < 50 && answer != kHello; i++) {
    answer = kHello;
    check("send", send(fd, &answer, 1, 0));
    if (recv(fd, &answer, 1, 0) != 1) answer = 0;
  }
  if (answer != kHello) check("recv", -1);
  const double begin = now_us();
  for (int i = 0; i < kExchanges; i++)
    check("send", send(fd, buffer, 1, 0));
  const double took = now_us() - begin;
  close(fd);
  return took / kExchanges;
}

static double connections(struct sockaddr_in address) {
  const double begin = now_us();
  const int fd = connect_to(address);
  const double took = now_us() - begin;
  close(fd);
  return took;
}

static struct sockaddr_in name_server(void) {
  char line[256], address[64];
  FILE* const file = fopen("/etc/resolv.conf", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "nameserver %63s", address) != 1) continue;
    fclose(file);
    return to(address, 53);
  }
  fprintf(stderr, "no name server\n");
  exit(1);
}

static double names(const char* suffix) {
  static unsigned asked;
  const struct sockaddr_in server = name_server();
  uint8_t packet[512] = {0, 0, 1, 0, 0, 1};
  char name[288];
  snprintf(name, sizeof name, "n%u-%d.%s", ++asked, (int)getpid(), suffix);
  size_t at = 12;
  for (char *rest = name, *label; (label = strsep(&rest, ".")) != NULL;) {
    const size_t length = strlen(label);
    packet[at++] = (uint8_t)length;
    memcpy(packet + at, label, length);
    at += length;
  }
  memcpy(packet + at, "\0\0\1\0\1", 5);
  at += 5;
  memcpy(packet, &asked, 2);
  const double begin = now_us();
  const int fd = check("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  check("connect", connect(fd, (const struct sockaddr*)&server, sizeof server));
  check("send", send(fd, packet, at, 0));
  const ssize_t length = check("recv", recv(fd, packet, sizeof packet, 0));
  // The address is the end of an answer without additional records.
  if (length < (ssize_t)at + 16 || packet[7] != 1) {
    fprintf(stderr, "no address of %s\n", suffix);
    exit(1);
  }
  struct sockaddr_in found = {.sin_family = AF_INET, .sin_port = htons(kPort + 1)};
  memcpy(&found.sin_addr, packet + at + 12, 4);
  const int connection = connect_to(found);
  const double took = now_us() - begin;
  close(connection);
  close(fd);
  return took;
}

int main(int count, char** arguments) {
  if (count > 1 && strcmp(arguments[1], "serve") == 0) serve(arguments[2]);
  if (count != 2 || strcmp(arguments[1], "ask") != 0) return 2;
  char line[512], what[32], host[256];
  int times;
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "%31s %255s %d", what, host, &times) != 3) return 2;
    char* const colon = strchr(host, ':');
    const int port = colon == NULL ? kPort : atoi(colon + 1);
    if (colon != NULL) *colon = '\0';
    for (int i = 0; i < times; i++) {
      double us;
      if (strcmp(what, "names") == 0) {
        us = names(host);
      } else if (strcmp(what, "bytes") == 0) {
        us = bytes(to(host, port));
      } else if (strcmp(what, "answers") == 0) {
        us = answers(to(host, port + 1));
      } else if (strcmp(what, "datagrams") == 0) {
        us = datagrams(to(host, port));
      } else {
        us = connections(to(host, port + 1));
      }
      printf("{\"us\":%.2f}\n", us);
    }
    printf("{\"done\":true}\n");
    fflush(stdout);
  }
  return 0;
}
