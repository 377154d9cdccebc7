#include "worker/faults.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <new>
#include <string>

#include "worker/stop.h"

namespace bitsweep::worker {

void test_fault(const char* phase, std::int64_t done) {
  const char* variable = std::getenv("BITSWEEP_TEST_FAULT");
  if (variable == nullptr) return;
  const std::string text = variable;
  const auto at = text.find('@');
  const auto colon = text.find(':', at);
  if (at == std::string::npos || colon == std::string::npos) return;
  if (text.substr(at + 1, colon - at - 1) != phase) return;
  if (done < std::atoll(text.c_str() + colon + 1)) return;
  const std::string kind = text.substr(0, at);
  if (kind == "crash") ::raise(SIGSEGV);
  if (kind == "kill") ::raise(SIGKILL);
  if (kind == "oom") throw std::bad_alloc();
  while (kind == "hang") ::pause();
  while (kind == "wait" && stop_signal() == 0) ::usleep(1000);
}

}  // namespace bitsweep::worker
