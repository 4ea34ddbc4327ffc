// What Node's side reads of the memory that it shares with a container's init.
#include "../../cpp/program/page.h"

#include <memory>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

// How the main program has ended by this status: "code/signal", or "none".
std::string outcome_of(uint32_t exited, uint32_t status) {
  const auto page = std::make_unique<Page>();
  page->outcome.exited = exited;
  page->outcome.status = status;
  Ending ending{};
  if (!read_outcome(page.get(), ending)) return "none";
  return std::to_string(ending.code) + "/" + std::to_string(ending.signal);
}

}  // namespace

int main() {
  test("A5: an outcome is an exit or a signal that there is, whatever an init has written", [] {
    expect_equal(outcome_of(0, 0), std::string("none"));
    expect_equal(outcome_of(1, 0), std::string("0/0"));
    expect_equal(outcome_of(1, 7u << 8), std::string("7/0"));
    expect_equal(outcome_of(1, 9), std::string("-1/9"));
    expect_equal(outcome_of(1, 0x80 | 11), std::string("-1/11"));  // with a core
    expect_equal(outcome_of(1, 0x7f), std::string("none"));        // stopped
    expect_equal(outcome_of(1, 65), std::string("none"));
    expect_equal(outcome_of(~0u, ~0u << 8), std::string("255/0"));
  });

  test("A5: an error's texts end where their room does", [] {
    const auto page = std::make_unique<Page>();
    __builtin_memset(&page->error, 'x', sizeof page->error);
    const ErrorRecord error = read_error(page.get());
    expect_equal(std::string(error.call).size(), sizeof error.call - 1);
    expect_equal(std::string(error.object).size(), sizeof error.object - 1);
  });
  return result();
}
