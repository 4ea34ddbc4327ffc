#pragma once

#include <stdint.h>

#include "../program/page.h"
#include "slirp_ports.h"

namespace caisson {

// `caisson-init init PAGE CONTROL`: inside a new container; runs the container phase.
// `own_descriptors` is for a process outside that reads files inside (ContainerMachine).
[[noreturn]] void init_main(int page_fd, int control, bool outlives_node, int own_descriptors = -1);

// `caisson-init join PAGE CONTROL PIDFD CGROUP NAMESPACES NEW [detached|outside|LIFE]`: outside;
// joins namespaces of another process, and clones a process into these and into new ones (and into
// a cgroup, or -1), tells Node's side, and ends. The clone runs the container phase. Node's
// launcher does not clone it itself, as it would share Node's memory until its exec, within reach
// of processes with the right to ptrace inside. With LIFE (or else -1) it stays, as the clone's
// parent and exec supervisor. With "outside" it clones nothing and runs the container phase itself,
// where no process of the container can see it.
enum class Joining { kClones, kClonesDetached, kStaysOutside };
[[noreturn]] void join_main(int page_fd, int control, int target, int cgroup, uint64_t namespaces,
                            uint64_t new_namespaces, Joining joining, int life);

// The rest of its life (exec_supervisor.cpp).
[[noreturn]] void be_exec_supervisor(Page* page, int pid, int pidfd, int life);

// Resets the memory attributes that a process passes on to those that it starts: neither fork nor
// exec resets them. Needs the /proc of the pid namespace that it was started from. The host phase
// says in the page whether there is anything to reset: opening that file takes twenty microseconds.
void reset_memory_attributes(int page_fd);

// What Node's side shares with a start, and how large it is; null when it cannot be had.
Page* map_page(int page_fd, uint64_t& size);

// `caisson-init cleanup PIPE JOURNAL`: outside; one for each Node process. When that process is
// gone, however it went, the pipe ends; the cleanup helper then runs every teardown in the journal,
// and ends.
[[noreturn]] void cleanup_main(int life, int journal);

// `caisson-init supervisor CONFIG INIT CLIENT IDS LOCK ID`: outside; the supervisor of one
// detached container, which becomes a child of the machine's init. IDS is only held, for the lock
// on it; so is LOCK, the container's, until the result of the start is written down. ID is for
// `ps`.
[[noreturn]] void supervise_main(int config_fd, int init_fd, int client, int lock);

// `caisson-init helper CHANNEL CONTAINER USERS|- NETWORK PLACE READY SOCKET REQUESTS PROGRAM
// REQUEST… ARGUMENT…`: outside; starts a program beside a container, with the rights of the
// container's root, and ends it with the container. Argument number PLACE is replaced by the path
// of the container's network namespace. With REQUESTS, their number, argument number SOCKET is
// replaced by the path of slirp4netns's socket, which then gets these requests (slirp_ports.h).
struct HelperArguments {
  int channel, container, users, network;  // descriptors; users may be -1
  uint64_t place, ready;
  SlirpPorts ports;
  const char* program;
  char** arguments;
};
[[noreturn]] void helper_main(const HelperArguments& arguments);

// `caisson-init user-network CHANNEL DIRECTORY PLACE PROGRAM ARGUMENT…`: outside; makes the shared
// network of a rootless user: a user namespace and a network namespace with a process that holds
// them, and PROGRAM (pasta), which connects them to the outside and is a helper as above. After the
// messages of enter_user_namespace it writes a UserNetworkMessage, and ends. The holder ends when
// the FIFO `alive` in the directory has not been open for writing for some seconds.
[[noreturn]] void user_network_main(int channel, const char* directory, uint64_t place,
                                    const char* program, char** arguments);

// `caisson-init recover-user-network CHANNEL DIRECTORY PID INODE HOLDER PLACE PROGRAM ARGUMENT…`:
// outside; PROGRAM, which has ended, for a shared network that is there: that of the process PID,
// whose network namespace is INODE. With the HOLDER 1 that process is its holder; with 0 the holder
// was killed, and there is another one afterwards, in the same namespaces. The rest is as above.
struct UserNetworkPlace {
  uint64_t pid, inode;
  bool has_holder;
};
[[noreturn]] void recover_user_network_main(int channel, const char* directory,
                                            const UserNetworkPlace& network, uint64_t place,
                                            const char* program, char** arguments);

// `caisson-init network-agent CHANNEL HOLDER`: outside; a network agent (agent/network_agent.h) in
// the namespaces of the process HOLDER. It writes an errno in 32 bits, or 0, before it begins.
[[noreturn]] void network_agent_main(int channel, uint64_t holder);

// `caisson-init resolver INIT DIRECTORY`: outside; the broker of the resolver with that directory,
// which becomes a child of the machine's init. What was started ends with 0 as soon as there is one
// to connect to, or with an errno.
[[noreturn]] void resolver_main(int init_fd, const char* directory);

// `caisson-init resolve CHANNEL`: outside; the broker's worker.
[[noreturn]] void resolve_main(int channel);

// `caisson-init teardown CHANNEL`: outside; runs a teardown that needs the rights of the root of a
// rootless container. After the messages of enter_user_namespace, the program is sent through the
// channel, and an error record is returned: without a number if everything has been removed.
[[noreturn]] void tear_down_main(int channel);

// `caisson-init terminal DATA CHANNEL SIZE DIRECTORY COUNT VARIABLE… PROGRAM ARGUMENT…`: outside of
// all containers; runs a program with these COUNT variables on a terminal of its own, whose input
// and output pass through DATA; messages about it pass through CHANNEL. SIZE: columns << 16 | rows.
struct TerminalProgram {
  const char* directory;
  const char* path;
  char** arguments;
  char** environment;
};
[[noreturn]] void terminal_main(int data, int channel, uint32_t size,
                                const TerminalProgram& program);

// `caisson-init probe DIRECTORY`: prints what works on this machine for this user, and what does
// not; DIRECTORY is one of the filesystem that containers would lie on.
[[noreturn]] void probe_main(const char* data);

}  // namespace caisson
