#include "run/parent.h"

#include <signal.h>
#include <sys/prctl.h>

namespace bitsweep::run {

void die_with_parent() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
}

}  // namespace bitsweep::run
