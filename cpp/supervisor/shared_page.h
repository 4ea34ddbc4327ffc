// Owns the mapping of the page that a starting process shares with the supervisor
// (program/page.h).
#pragma once

#include <sys/mman.h>

#include "../host/page_memory.h"
#include "../program/program.h"

namespace caisson {

class SharedPage {
 public:
  SharedPage() = default;
  SharedPage(SharedPage&& other) : page_(other.page_), size_(other.size_) { other.page_ = nullptr; }
  SharedPage& operator=(SharedPage&& other) {
    if (this == &other) return *this;
    reset();
    page_ = other.page_;
    size_ = other.size_;
    other.page_ = nullptr;
    return *this;
  }
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;
  ~SharedPage() { reset(); }

  // A new page with the program behind it; `memory` is what the starting process maps.
  Status make(Blob program, UniqueFd& memory) {
    reset();
    auto page = make_page(program.data, program.size, 0, size_, memory);
    if (!page.ok()) return page.error();
    page_ = page.value();
    return {};
  }
  void reset() {
    if (page_ != nullptr) sys::call(__NR_munmap, page_, size_);
    page_ = nullptr;
  }

  Page* get() const { return page_; }
  Page* operator->() const { return page_; }
  explicit operator bool() const { return page_ != nullptr; }

 private:
  Page* page_ = nullptr;
  size_t size_ = 0;
};

}  // namespace caisson
