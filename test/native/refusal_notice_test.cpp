// What a start is told of refused look-ups by the connection to the resolver.
#include "../../cpp/base/refusal_notice.h"

#include <unistd.h>

#include "support/check.h"

namespace {

using namespace caisson;           // NOLINT(google-build-using-namespace)
using namespace caisson::testing;  // NOLINT(google-build-using-namespace)

struct Connection {
  int start, resolver;
  Connection() {
    int ends[2];
    expect_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    start = ends[0];
    resolver = ends[1];
  }
  ~Connection() {
    close(start);
    hang_up();
  }
  void hang_up() {
    if (resolver >= 0) close(resolver);
    resolver = -1;
  }
};

}  // namespace

int main() {
  test("while it runs", [] {
    const Connection quiet;
    expect(!may_have_refused(quiet.start), "nothing was refused");
    const Connection refused;
    send_notice(refused.resolver, RefusalNotice::kRefused);
    expect(may_have_refused(refused.start), "something was refused");
  });

  test("after its end", [] {
    Connection quiet;
    send_notice(quiet.resolver, RefusalNotice::kOver);
    quiet.hang_up();
    expect(!may_have_refused(quiet.start), "nothing was refused");
    // A worker that was started again tells it once more.
    Connection refused;
    send_notice(refused.resolver, RefusalNotice::kRefused);
    send_notice(refused.resolver, RefusalNotice::kRefused);
    send_notice(refused.resolver, RefusalNotice::kOver);
    refused.hang_up();
    expect(may_have_refused(refused.start), "something was refused");
  });

  test("a resolver that was killed", [] {
    Connection connection;
    connection.hang_up();
    expect(may_have_refused(connection.start), "it is not known");
  });

  test("a start that does not listen gets no signal", [] {
    Connection connection;
    close(connection.start);
    send_notice(connection.resolver, RefusalNotice::kRefused);
    connection.start = -1;
  });

  return result();
}
