// Whatever a container writes, and however it is cut: the log is lines of JSON, and the bytes of
// each stream can be read from it again.
#include <memory>

#include "../../cpp/supervisor/log_writer.h"
#include "support/fuzz.h"

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

namespace {

std::string from_base64(const std::string& text) {
  static const std::string kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  require(text.size() % 4 == 0);
  for (size_t i = 0; i < text.size(); i += 4) {
    uint32_t word = 0;
    size_t digits = 0;
    for (; digits < 4 && text[i + digits] != '='; ++digits) {
      const size_t digit = kDigits.find(text[i + digits]);
      require(digit != std::string::npos);
      word |= static_cast<uint32_t>(digit) << (18 - 6 * digits);
    }
    require(digits >= 2 && (digits == 4 || i + 4 == text.size()));
    for (size_t n = 0; n + 1 < digits; ++n)
      bytes.push_back(static_cast<char>(word >> (16 - 8 * n)));
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const MemoryDirectory directory;
  const auto writer = std::make_unique<LogWriter>();
  writer->open(directory.fd(), uint64_t{1} << 50, 1);
  std::string written[2], read[2];
  for (Script script(data, size); script.more();) {
    const uint8_t choice = script.byte();
    const std::string text = script.text();
    writer->write(static_cast<Stream>(choice & 1), text.data(), text.size());
    written[choice & 1] += text;
    if ((choice & 2) != 0) writer->flush(false);
  }
  writer->flush(true);
  require(!writer->unfinished() && writer->lost() == 0);

  const std::string log = directory.read("json.log");
  directory.remove("json.log");
  require(log.empty() || log.back() == '\n');
  for (size_t at = 0; at < log.size();) {
    const size_t end = log.find('\n', at);
    auto record = read_json(log.substr(at, end - at));
    require(record.has_value());
    const std::string& stream = (*record)["stream"];
    require((stream == "stdout" || stream == "stderr") && (*record)["time"].size() == 30);
    const auto base64 = record->find("base64");
    read[stream == "stderr"] +=
        base64 == record->end() ? (*record)["log"] : from_base64(base64->second);
    at = end + 1;
  }
  require(read[0] == written[0] && read[1] == written[1]);
  return 0;
}
