# Toolchain: the Zig distribution's clang, lld, C++ library, and C libraries' headers and symbols (decision 0031).
#   -DCAISSON_ZIG=<zig> -DCAISSON_TARGET={x86_64,aarch64}-linux-{gnu.2.28,musl}
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "${CAISSON_TARGET}")
foreach(language C CXX)
  # Known, because CMake would find out by linking a program, for which Zig would build its C++ library without optimization.
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
  set(CMAKE_${language}_COMPILER_ID Clang)
  set(CMAKE_${language}_COMPILER_VERSION 16.0.6)
  set(CMAKE_${language}_COMPILER_FORCED TRUE)
endforeach()
set(CMAKE_C_STANDARD_COMPUTED_DEFAULT 17)
set(CMAKE_CXX_STANDARD_COMPUTED_DEFAULT 17)
set(CMAKE_C_COMPILER ${CAISSON_ZIG} cc -target ${CAISSON_TARGET})
set(CMAKE_CXX_COMPILER ${CAISSON_ZIG} c++ -target ${CAISSON_TARGET})
