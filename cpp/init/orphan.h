#pragma once

namespace caisson {

// Detaches from the process that started this one: its parent is then the machine's init. What was
// started ends with 0.
void become_orphan();

}  // namespace caisson
