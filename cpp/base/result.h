// The one error contract: a value, or what failed. `call` is the system call, `object` the path or
// name that it was about; both outlive the error (literals, or the program's own text).
#pragma once

namespace caisson {

struct Error {
  int number = 0;  // a positive errno
  const char* call = nullptr;
  const char* object = nullptr;
};

inline Error failure(long result, const char* call, const char* object = nullptr) {
  return Error{static_cast<int>(-result), call, object};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T&& value) : value_(static_cast<T&&>(value)) {}
  Result(Error error) : error_(error) {}

  bool ok() const { return error_.number == 0; }
  Error error() const { return error_; }
  T& value() { return value_; }
  T take() { return static_cast<T&&>(value_); }

 private:
  T value_{};
  Error error_{};
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(error) {}

  bool ok() const { return error_.number == 0; }
  Error error() const { return error_; }

 private:
  Error error_{};
};

// For calls whose only result is whether they worked.
inline Status check(long result, const char* call, const char* object = nullptr) {
  if (result < 0) return failure(result, call, object);
  return {};
}

}  // namespace caisson
