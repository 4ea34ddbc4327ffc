// What the binaries of the npm package have to be, read from their ELF files: `node scripts/check-prebuilds.mjs [DIRECTORY [TARGET…]]`.
// Of each: the right machine, stripped, hardened (docs/decisions/0015-hardened-binaries.md). Of an addon: it needs its C library alone,
// of glibc nothing newer than 2.28, finds everything else in Node, and shows Node's entry points alone. All together: less than 4 MB.
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

const NEWEST_GLIBC = [2, 28];
const MOST_BYTES = 4e6;
const MACHINES = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' };
// glibc before 2.34 has its functions in several libraries.
const LIBRARIES = {
  glibc:
    /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-(x86-64\.so\.2|aarch64\.so\.1))$/,
  musl: /^libc\.so$/,
};
// What Node has; what a C library, whose symbols have no versions in musl, does not have: all of C++.
const OF_NODE = /^(napi|node_api|uv)_/;
const NOT_OF_C = /^(_Z|__cxa_(?!atexit|finalize)|__gxx_|_Unwind_|__aarch64_|__emutls)/;
const ENTRY_POINTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const [directory = 'prebuilds', ...chosen] = process.argv.slice(2);
const targets = chosen.length > 0 ? chosen : ['x64-glibc', 'x64-musl', 'arm64-glibc', 'arm64-musl'];
const faults = [];
let total = 0;

const readelf = (path, ...options) =>
  execFileSync('readelf', ['--wide', ...options, path], { encoding: 'utf8', stdio: 'pipe' });
const all = (text, pattern) => [...text.matchAll(pattern)].map(([, name]) => name);

function check(path, architecture, isProgram) {
  const name = path.slice(directory.length + 1);
  const need = (condition, fault) => condition || faults.push(`${name}: ${fault}`);
  if (!existsSync(path)) {
    faults.push(`${name} is missing`);
    return undefined;
  }
  const { size, mode } = statSync(path);
  total += size;
  const header = readelf(path, '--file-header');
  const dynamic = readelf(path, '--dynamic');
  const segments = readelf(path, '--program-headers');
  const sections = readelf(path, '--section-headers');
  need(header.includes(MACHINES[architecture]), `it is not for ${architecture}`);
  need(/Type:\s+DYN/.test(header), 'it is not position-independent');
  need(/FLAGS_1\).*\bNOW\b/.test(dynamic), 'its functions are resolved late');
  need(!dynamic.includes('(TEXTREL)'), 'it has relocations of code');
  need(!/\((RUNPATH|RPATH|SONAME)\)/.test(dynamic), 'it has a path or a name of a library');
  need(
    !/\bSTATIC_TLS\b/.test(dynamic),
    'its variables of threads have to be there before it is loaded',
  );
  need(/GNU_STACK .* RW +0/.test(segments), 'its stack is executable');
  need(segments.includes('GNU_RELRO'), 'it has no RELRO');
  need(!/LOAD .* RWE /.test(segments), 'it has code that can be written');
  need(!/\.symtab|\.debug_/.test(sections), 'it is not stripped');
  need(!sections.includes('.note.gnu.build-id'), 'it has a build id');
  if (isProgram) {
    need((mode & 0o111) !== 0, 'it is not executable');
    need(!/INTERP|\(NEEDED\)/.test(segments + dynamic), 'it is not static');
    need(/FLAGS_1\).*\bPIE\b/.test(dynamic), 'it is not position-independent');
  }
  return { dynamic, need };
}

for (const target of targets) {
  const [architecture, libc] = target.split('-');
  const place = join(directory, `linux-${architecture}`);
  const path = join(place, `caisson.${libc}.node`);
  // caisson-init comes with the build for glibc, caisson-archive with the one for musl: CMakeLists.txt.
  check(join(place, libc === 'glibc' ? 'caisson-init' : 'caisson-archive'), architecture, true);
  const addon = check(path, architecture, false);
  if (addon === undefined) continue;
  const { dynamic, need } = addon;
  for (const library of all(dynamic, /\(NEEDED\).*\[(.+)\]/g))
    need(LIBRARIES[libc].test(library), `it needs ${library}`);
  for (const version of new Set(all(readelf(path, '--version-info'), /Name: GLIBC_([\d.]+)/g))) {
    const [major, minor] = version.split('.').map(Number);
    need(
      libc === 'glibc' && major === NEWEST_GLIBC[0] && minor <= NEWEST_GLIBC[1],
      `it needs symbols of glibc ${version}`,
    );
  }
  const symbols = readelf(path, '--dyn-syms').split('\n');
  const exported = symbols
    .filter((line) => / (GLOBAL|WEAK) /.test(line) && !/ UND /.test(line))
    .map((line) => line.trim().split(/\s+/)[7]);
  need(exported.sort().join() === ENTRY_POINTS.join(), `it exports ${exported.join(', ')}`);
  for (const line of symbols.filter((symbol) => / GLOBAL .* UND /.test(symbol))) {
    const [name, version] = line.trim().split(/\s+/)[7].split('@');
    const isFound = libc === 'glibc' ? version !== undefined : !NOT_OF_C.test(name);
    need(isFound || OF_NODE.test(name), `nothing has its symbol ${name}`);
  }
  need(
    symbols.some((line) => / UND __stack_chk_fail\b/.test(line)),
    'its stacks are not protected',
  );
}
if (chosen.length === 0 && total >= MOST_BYTES)
  faults.push(`they have ${total} bytes, more than ${MOST_BYTES}`);
if (faults.length > 0) {
  process.stderr.write(`check-prebuilds: ${faults.join('\n  ')}\n`);
  process.exit(1);
}
process.stdout.write(`${targets.length} addons and their programs, ${total} bytes\n`);
