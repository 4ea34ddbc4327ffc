#include <memory>

#include "../base/kernel.h"
#include "../base/sys.h"
#include "../tar/layer_stream.h"
#include "archive_commands.h"
#include "confined.h"
#include "jail.h"
#include "layer_writer.h"
#include "report.h"

namespace caisson {
namespace {

constexpr uint64_t kMaxSize = uint64_t{1} << 40;

class Input : public RawInput {
 public:
  explicit Input(int fd) : fd_(fd) {}

  long read(uint8_t* to, size_t room) override {
    long got = 0;
    do
      got = sys::call(__NR_read, fd_, to, room);
    while (got == -EINTR);
    return got;
  }

 private:
  int fd_;
};

std::string hex(const std::array<uint8_t, 32>& digest) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string text = "sha256:";
  for (const uint8_t byte : digest) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

[[noreturn]] void end(Report& report) {
  sys::exit_group(report.send(kJailReport) ? 0 : 1);
}

[[noreturn]] void refuse(const Trouble& trouble, std::string_view path) {
  end(Report().trouble(trouble, path));
}

[[noreturn]] void report_layer(LayerStream& stream, const Decoder& decoder,
                               const LayerWriter& writer) {
  Report report;
  report.text("diffId", hex(stream.digest()))
      .number("compressed", decoder.compressed())
      .number("size", decoder.uncompressed())
      .number("files", writer.files())
      .number("bytes", writer.bytes())
      .number("skipped", writer.skipped());
  report.begin_list("implied");
  for (const auto& [path, record] : writer.directories().all())
    if (record.implied && !report.item(path.empty() ? "." : path))
      refuse({Refusal::kTooManyEntries, "too many directories that it does not contain"}, "");
  report.end_list();
  end(report);
}

bool add_directories(LayerWriter& writer) {
  Input input(kJailDirectories);
  const auto decoder = std::make_unique<Decoder>(input, DecoderLimits());
  const auto stream = std::make_unique<LayerStream>(*decoder);
  tar::Reader reader(*stream, {});
  tar::Entry entry;
  while (reader.next(entry))
    if (!writer.add_given(entry)) return false;
  if (!reader.trouble().ok()) refuse(reader.trouble(), entry.name);
  return true;
}

void unpack_confined(const Arguments& arguments) {
  Input input(kJailInput);
  const DecoderLimits limits{arguments.number("size", kMaxSize),
                             arguments.number("ratio", UINT64_MAX),
                             arguments.number("ratio-from", 0)};
  const auto decoder = std::make_unique<Decoder>(input, limits);
  const auto stream = std::make_unique<LayerStream>(*decoder);
  // Clears what was inherited, before the filter forbids it.
  sys::call(__NR_lremovexattr, "/", "system.posix_acl_default");
  sys::call(__NR_lremovexattr, "/", "system.posix_acl_access");
  sys::call(__NR_fchmodat, AT_FDCWD, "/", 0755);
  stream->start_thread();
  if (Status loaded = load_jail_filter(); !loaded.ok())
    refuse({Refusal::kSystem, loaded.error().call, loaded.error().number}, "");
  stream->release_thread();

  tar::Reader reader(*stream, {static_cast<int64_t>(arguments.number("entries", INT64_MAX)),
                               static_cast<int64_t>(arguments.number("file-size", INT64_MAX))});
  WriterOptions options;
  options.path = {arguments.number("path", PathLimits().bytes),
                  arguments.number("depth", PathLimits().depth)};
  options.devices = arguments.number("devices", 1) != 0;
  options.one_id = arguments.number("one-id", 0) != 0;
  options.requests = kJailRequests;
  LayerWriter writer(reader, options);
  tar::Entry entry;
  bool going = writer.begin();
  if (going && arguments.number("directories", 0) != 0) going = add_directories(writer);
  while (going && reader.next(entry))
    going = writer.add(entry);
  if (!writer.trouble().ok()) refuse(writer.trouble(), writer.trouble_path());
  if (!reader.trouble().ok()) refuse(reader.trouble(), entry.name);
  if (!writer.finish()) refuse(writer.trouble(), writer.trouble_path());
  reader.drain();
  if (!reader.trouble().ok()) refuse(reader.trouble(), "");
  report_layer(*stream, *decoder, writer);
}

}  // namespace

int unpack_main(const Arguments& arguments) {
  return run_confined(arguments, unpack_confined);
}

}  // namespace caisson
