// The page that both sides of a start share (cpp/program/page.h), with its program behind it.
#pragma once

#include "../base/result.h"
#include "../base/unique_fd.h"
#include "../program/page.h"

namespace caisson {

// `size` becomes that of the mapping, `fd` the memory to hand on.
Result<Page*> make_page(const void* program, size_t program_size, uint32_t command_room,
                        size_t& size, UniqueFd& fd);

}  // namespace caisson
