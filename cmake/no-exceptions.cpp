// What the package's binaries have instead of a C++ library's exceptions (cmake/package.cmake).
// Where one would be thrown, as without memory, the process ends: nothing could catch it.
#include <cstdlib>
#include <exception>
#include <new>

void std::terminate() noexcept {
  std::abort();
}

// libc++'s own operator new, compiled without exceptions, would return null to callers that do not
// expect it.
void* operator new(std::size_t size) {
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();
}
void* operator new[](std::size_t size) {
  return operator new(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t& none) noexcept {
  return operator new(size, none);
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
