// Ports of the host that slirp4netns forwards into the container.
#pragma once

#include <stddef.h>

namespace caisson {

// What `helper` has to ask slirp4netns for.
struct SlirpPorts {
  char** requests;  // JSON texts
  size_t count;
  size_t place;  // of the program's argument with the path of its socket
};

// A tmpfs that is attached nowhere, for slirp4netns's socket. Needs a mount namespace of the
// caller's user namespace. Its descriptor, or a negated errno with the name of the call.
long make_socket_directory(const char*& call);

struct RefusedRequest {
  const char* call = nullptr;  // null: none was refused; "exit": by slirp4netns, with `text`
  long result = 0;             // a negated errno
  char text[400] = {};
};

// Sends all requests to the socket at `path`, one for each connection, and waits for the answers.
RefusedRequest send_requests(const char* path, const SlirpPorts& ports);

}  // namespace caisson
