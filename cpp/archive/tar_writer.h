// Writes a tar archive: ustar, with extended headers of pax for what ustar has no place for.
#pragma once

#include "../tar/tar_reader.h"
#include "buffered_output.h"

namespace caisson::tar {

class Writer {
 public:
  explicit Writer(archive::Output& output) : output_(output) {}

  // The header of an entry; as many bytes of data as its size follow, of a regular file.
  Status header(const Entry& entry);
  Status data(const void* bytes, size_t size) { return output_.write(bytes, size); }
  // After the data of an entry.
  Status end_of_data(uint64_t size);
  Status finish();

 private:
  Status block(const Entry& entry, char type, std::string_view name, uint64_t size);

  archive::Output& output_;
};

}  // namespace caisson::tar
