#include "random_pool.h"

#include "../base/sys.h"

namespace caisson {

uint16_t RandomPool::next() {
  // Up to 256 bytes are not cut short by a signal.
  while (left_ == 0)
    if (sys::call(__NR_getrandom, numbers_, sizeof numbers_, 0) ==
        static_cast<long>(sizeof numbers_))
      left_ = sizeof numbers_ / sizeof *numbers_;
  return numbers_[--left_];
}

}  // namespace caisson
