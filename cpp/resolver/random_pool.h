// Random numbers of the kernel, fetched a block at a time: getrandom(2).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace caisson {

class RandomPool {
 public:
  uint16_t next();

 private:
  uint16_t numbers_[128];
  size_t left_ = 0;
};

}  // namespace caisson
