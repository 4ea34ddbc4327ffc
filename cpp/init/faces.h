#pragma once

namespace caisson {

// `caisson-init init PAGE CONTROL`: inside a new container; runs the container's half.
[[noreturn]] void init_face(int page_fd, int control);

// `caisson-init guard PIPE JOURNAL`: outside; one for each Node process. When that process is gone,
// however it went, the pipe ends; the guard then runs every teardown in the journal, and ends.
[[noreturn]] void guard_face(int life, int journal);

}  // namespace caisson
