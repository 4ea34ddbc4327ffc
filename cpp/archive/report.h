// What caisson-archive tells its caller: one line of JSON, whose size is bounded. Its reader is
// lib/image/unpack/report.ts.
#pragma once

#include <string>
#include <string_view>

#include "../tar/refusal.h"

namespace caisson {

class Report {
 public:
  Report& number(const char* key, uint64_t value);
  // Printable ASCII without `"`, `\` and `%` as it is, other bytes as `%XX`.
  Report& text(const char* key, std::string_view bytes);
  // Texts one after the other; false if there is no room for another one.
  void begin_list(const char* key);
  bool item(std::string_view bytes);
  void end_list();
  // With `kind`, `detail`, `errno` and `path`.
  Report& trouble(const Trouble& trouble, std::string_view path);

  // Writes it to the descriptor. False if that failed.
  bool send(int fd);

 private:
  void begin(const char* key);
  void add_text(std::string_view bytes);

  std::string line_ = "{";
  bool first_ = true;
};

}  // namespace caisson
