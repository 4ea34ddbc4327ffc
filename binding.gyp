{
  # Three targets: the addon that Node loads, caisson-init, the freestanding static program that the
  # addon runs in new containers, and caisson-archive, the static program that reads and writes archives. cpp/sources.json lists the sources of each.
  'variables': {
    'warnings': [
      '-Wall', '-Wextra', '-Wshadow', '-Wconversion', '-Wno-missing-field-initializers',
      '<!@(node -p "process.env.CI ? \'-Werror\' : \'\'")',
    ],
  },
  'targets': [
    {
      'target_name': 'caisson',
      'sources': ['<!@(node scripts/list-sources.mjs addon)'],
      'include_dirs': ['cpp'],
      'defines': [
        'NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED',
        # In a worker that is being terminated no exception can be thrown; that must not abort the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags': [
        '<@(warnings)', '-fvisibility=hidden', '-ffunction-sections', '-fdata-sections',
        '-fstack-protector-strong', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2',
      ],
      'cflags!': ['-O3', '-Wno-unused-parameter'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': [
        '-std=c++20', '-fvisibility-inlines-hidden',
        # As system headers, so that the compiler does not warn about them.
        '-isystem<!(node -p "path.dirname(require.resolve(\'node-addon-api\'))")',
      ],
      # The C++ library is linked statically: the one that a program's Node has may be older than our compiler's.
      'ldflags': [
        '-Wl,--gc-sections', '-Wl,--exclude-libs,ALL', '-static-libstdc++',
        '-Wl,-z,relro,-z,now,-z,separate-code,-z,noexecstack',
        # Node unloads an addon with the last worker that has loaded it, and our threads would be left without code.
        '-Wl,-z,nodelete',
      ],
      'libraries': ['-l:libseccomp.a'],
      'configurations': {
        'Release': { 'cflags': ['-O2', '-fno-plt'] },
        'Debug': { 'defines': ['CAISSON_FAULTS=1'], 'cflags!': ['-O0'], 'cflags': ['-O1'] },
      },
    },
    {
      'target_name': 'caisson-init',
      'type': 'executable',
      'sources': ['<!@(node scripts/list-sources.mjs init)'],
      # Uses nothing of Node: no headers, no threads, no exported symbols.
      'include_dirs!': ['<(node_root_dir)/include/node'],
      'include_dirs': ['cpp'],
      'defines': ['CAISSON_FREESTANDING=1'],
      'cflags!': ['-pthread', '-fPIC', '-fPIE', '-O3', '-Wno-unused-parameter'],
      'cflags': [
        '<@(warnings)', '-ffreestanding', '-fpie',
        # Without a C library there is no thread's block to hold the value: it is a variable (cpp/init/start.cpp).
        '-fstack-protector-strong', '-mstack-protector-guard=global',
        '-U_FORTIFY_SOURCE', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables',
        '-fvisibility=hidden', '-ffunction-sections', '-fdata-sections',
        # A loop in our own memset must not be compiled to a call of memset; clang does not know this option.
        '-fno-tree-loop-distribute-patterns', '-Wno-ignored-optimization-argument',
      ],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-fno-threadsafe-statics', '-fno-use-cxa-atexit'],
      'ldflags!': ['-pthread', '-rdynamic', '-fPIC'],
      'ldflags': [
        '-nostdlib', '-static-pie',
        '-Wl,--build-id=none', '-Wl,--gc-sections',
        '-Wl,-z,relro,-z,now,-z,separate-code,-z,noexecstack',
      ],
      'libraries': ['-lgcc'],
      'conditions': [
        # libgcc's out-of-line atomics ask the C library's auxiliary vector, and there is no C library.
        ['target_arch=="arm64"', { 'cflags': ['-mno-outline-atomics'] }],
      ],
      'configurations': {
        'Release': { 'cflags': ['-O2'] },
        'Debug': { 'defines': ['CAISSON_FAULTS=1'], 'cflags!': ['-O0'], 'cflags': ['-O1'] },
      },
    },
    {
      'target_name': 'caisson-archive',
      'type': 'executable',
      'sources': ['<!@(node scripts/list-sources.mjs archive)'],
      # Uses nothing of Node, but a C library, linked statically.
      'include_dirs!': ['<(node_root_dir)/include/node'],
      'include_dirs': ['cpp'],
      'cflags!': ['-fPIC', '-O3', '-Wno-unused-parameter'],
      'cflags': [
        '<@(warnings)', '-fPIE', '-fstack-protector-strong', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2',
        '-fvisibility=hidden', '-ffunction-sections', '-fdata-sections',
      ],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20'],
      'ldflags!': ['-rdynamic', '-fPIC'],
      'ldflags': [
        '-static-pie',
        '-Wl,--build-id=none', '-Wl,--gc-sections',
        '-Wl,-z,relro,-z,now,-z,separate-code,-z,noexecstack',
      ],
      'libraries': ['-l:libzstd.a', '-l:libz.a'],
      'configurations': {
        'Release': { 'cflags': ['-O2'] },
        'Debug': { 'defines': ['CAISSON_FAULTS=1'], 'cflags!': ['-O0'], 'cflags': ['-O1'] },
      },
    },
  ],
}
