// A process of ours in a new user namespace, until another one has written its id maps
// (lib/host/write-id-maps.ts).
#pragma once

namespace caisson {

// Writes the pid, or the negated errno that `moved` is, into the stream `channel`, and waits there
// for a byte that says that the ids are mapped. False if they were not.
bool await_id_maps(int channel, long moved);

}  // namespace caisson
