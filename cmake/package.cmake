# The three binaries that the npm package ships, for one architecture and one C library: included by CMakeLists.txt with
# -DCAISSON_PACKAGE=ON, driven by scripts/prebuild with the toolchain file cmake/zig.cmake (decision 0031). The
# sources are those of cpp/sources.json, the flags those of binding.gyp, which builds the same for a developer.
#
#   CAISSON_LIBRARIES   directory with the unpacked sources of libseccomp, zlib and zstd
#   CAISSON_HEADERS     directories with node_api.h and uv.h, and with napi.h
set(warnings -Wall -Wextra -Wshadow -Wconversion -Wno-missing-field-initializers
  # clang does not know an option of GCC's, or does without one of its own.
  -Wno-ignored-optimization-argument -Wno-unknown-attributes)
if(CAISSON_WERROR)
  list(APPEND warnings -Werror)
endif()
set(hardening -fstack-protector-strong -U_FORTIFY_SOURCE)
set(sections -fvisibility=hidden -ffunction-sections -fdata-sections)
set(optimization -O2 -g0)
# Nothing of what is built says where it was.
set(anonymous "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=." "-ffile-prefix-map=${CMAKE_BINARY_DIR}=."
  "-ffile-prefix-map=${CAISSON_LIBRARIES}=.")
add_compile_options(${optimization} ${sections} ${anonymous})
option(CAISSON_FAULTS "Tests can inject faults" OFF)
if(CAISSON_FAULTS)
  add_compile_definitions(CAISSON_FAULTS=1)
endif()

# ---- libraries, as their authors released them -----------------------------------------------------------------
file(GLOB seccomp_sources ${CAISSON_LIBRARIES}/libseccomp/src/*.c)
list(FILTER seccomp_sources EXCLUDE REGEX "arch-syscall-dump\\.c$")
# Node compresses; caisson-archive only decompresses.
foreach(name adler32 crc32 inffast inflate inftrees zutil)
  list(APPEND zlib_sources ${CAISSON_LIBRARIES}/zlib/${name}.c)
endforeach()
file(GLOB zstd_sources ${CAISSON_LIBRARIES}/zstd/lib/common/*.c ${CAISSON_LIBRARIES}/zstd/lib/decompress/*.c)

add_library(seccomp OBJECT ${seccomp_sources})
file(WRITE ${CMAKE_BINARY_DIR}/seccomp/configure.h "#define HAVE_LINUX_SECCOMP_H 1\n")
target_include_directories(seccomp PUBLIC ${CAISSON_LIBRARIES}/libseccomp/include PRIVATE ${CMAKE_BINARY_DIR}/seccomp)
target_compile_options(seccomp PRIVATE -w -fPIC ${hardening})

add_library(zlib OBJECT EXCLUDE_FROM_ALL ${zlib_sources})
target_include_directories(zlib PUBLIC ${CAISSON_LIBRARIES}/zlib)
target_compile_options(zlib PRIVATE -w -fPIE ${hardening})

add_library(zstd OBJECT EXCLUDE_FROM_ALL ${zstd_sources})
target_include_directories(zstd PUBLIC ${CAISSON_LIBRARIES}/zstd/lib)
# Without its assembly, which only some of the targets have.
target_compile_definitions(zstd PRIVATE ZSTD_DISABLE_ASM=1 ZSTD_LEGACY_SUPPORT=0)
target_compile_options(zstd PRIVATE -w -fPIE ${hardening})

# ---- the C++ library ----------------------------------------------------------------------------------------------
# Of the compiler's own libc++ what is used here, compiled without exceptions, as all code here is, and with the same hardening:
# `zig c++` would link one that throws, and with it a stack unwinder and a demangler, 120 kB in each binary.
get_filename_component(zig_lib ${CAISSON_ZIG} DIRECTORY)
set(zig_lib ${zig_lib}/lib)
set(cxx_sources ${zig_lib}/libcxxabi/src/cxa_guard.cpp ${zig_lib}/libcxxabi/src/cxa_virtual.cpp
  ${zig_lib}/libcxxabi/src/abort_message.cpp ${CMAKE_SOURCE_DIR}/cmake/no-exceptions.cpp)
foreach(name chrono condition_variable condition_variable_destructor future hash memory mutex mutex_destructor string
  system_error thread verbose_abort)
  list(APPEND cxx_sources ${zig_lib}/libcxx/src/${name}.cpp)
endforeach()
add_library(cxx OBJECT ${cxx_sources})
target_include_directories(cxx PRIVATE ${zig_lib}/libcxx/src ${zig_lib}/libcxxabi/include ${zig_lib}/libcxxabi/src)
target_compile_definitions(cxx PRIVATE NDEBUG _LIBCPP_BUILDING_LIBRARY LIBCXX_BUILDING_LIBCXXABI _LIBCXXABI_BUILDING_LIBRARY)
target_compile_options(cxx PRIVATE -w -fPIC -fvisibility-inlines-hidden -fno-exceptions -fno-rtti ${hardening}
  "-ffile-prefix-map=${zig_lib}=.")
# ---- the addon --------------------------------------------------------------------------------------------------
caisson_sources(addon addon)
add_library(caisson SHARED ${addon})
set_target_properties(caisson PROPERTIES PREFIX "" OUTPUT_NAME caisson SUFFIX .node NO_SONAME ON)
target_include_directories(caisson PRIVATE cpp)
target_include_directories(caisson SYSTEM PRIVATE ${CAISSON_HEADERS})
target_compile_definitions(caisson PRIVATE NAPI_VERSION=8 NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS
  NODE_ADDON_API_DISABLE_DEPRECATED NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS NODE_GYP_MODULE_NAME=caisson
  BUILDING_NODE_EXTENSION _FORTIFY_SOURCE=2)
target_compile_options(caisson PRIVATE ${warnings} ${hardening} -fPIC -fvisibility-inlines-hidden -fno-exceptions -fno-rtti)
target_link_libraries(caisson PRIVATE seccomp cxx)
set_target_properties(caisson PROPERTIES LINKER_LANGUAGE C)
target_link_options(caisson PRIVATE -s -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,-z,nodelete
  -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/addon.map)

# ---- the static programs, the same for both C libraries --------------------------------------------------------
set(page_size 4096)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
  set(page_size 65536)  # the largest that a kernel has
endif()
if(CAISSON_TARGET MATCHES gnu)
  # Without a C library, but with the declarations of the one with which it is tested.
  caisson_sources(init init)
  add_library(init OBJECT ${init})
  target_include_directories(init PRIVATE cpp)
  target_compile_definitions(init PRIVATE CAISSON_FREESTANDING=1)
  target_compile_options(init PRIVATE ${warnings} ${hardening} -ffreestanding -fpie -mstack-protector-guard=global
    -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-use-cxa-atexit)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
    # The out-of-line atomics of a compiler's library ask the C library's auxiliary vector.
    target_compile_options(init PRIVATE -mno-outline-atomics)
  endif()
  # By the linker itself: `zig c++` makes no position-independent program without a C library.
  add_custom_command(OUTPUT caisson-init VERBATIM COMMAND_EXPAND_LISTS DEPENDS init $<TARGET_OBJECTS:init>
    COMMAND ${CAISSON_ZIG} ld.lld -static -pie --no-dynamic-linker --strip-all --build-id=none --gc-sections
    -z relro -z now -z separate-code -z noexecstack -z max-page-size=${page_size} -z common-page-size=${page_size}
    -o caisson-init $<TARGET_OBJECTS:init>)
  add_custom_target(init-program ALL DEPENDS ${CMAKE_BINARY_DIR}/caisson-init)
else()
  # With a C library of its own, the one that is made for that.
  caisson_sources(archive archive)
  add_executable(caisson-archive ${archive})
  target_include_directories(caisson-archive PRIVATE cpp)
  target_compile_options(caisson-archive PRIVATE ${warnings} ${hardening} -fPIE -fno-exceptions -fno-rtti)
  target_link_libraries(caisson-archive PRIVATE zstd zlib cxx)
  set_target_properties(caisson-archive PROPERTIES LINKER_LANGUAGE C)
  # With musl Zig links statically, and -fPIE is what it asks for a static program at any address.
  target_link_options(caisson-archive PRIVATE -fPIE -s -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now)
endif()
