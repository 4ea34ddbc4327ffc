// The program that every contestant starts: exits with 0, and costs nothing to load. Freestanding
// and static.
#include "raw.h"

void _start(void) {
  for (;;)
    RAW1(
#if defined(__x86_64__)
        231
#else
        94
#endif
        ,
        0);
}
