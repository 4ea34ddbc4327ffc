/** The rooms of lib/ and the order of their floors (docs/decisions/0018-rooms-and-floors.md). */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** Lowest floor first. A file may import files of its own room and of the floors below it. */
const FLOORS: readonly (readonly [room: string, purpose: string])[] = [
  ['base', 'helpers without a domain: checks, errors, units, ids, lines, times'],
  ['loading', 'the packed modules of the npm package, and what V8 has compiled of them'],
  ['oci', 'the types of the OCI runtime specification, capabilities, seccomp profiles'],
  ['native', 'the addon, typed'],
  ['host', 'what this user may do on this machine: users, ids, namespaces, refusals'],
  ['pty', '`caisson/pty`: a program of the host on a terminal'],
  [
    'cgroup',
    'the cgroups of a container, in v1, v2 and with systemd, and what is written into them',
  ],
  ['program', 'from a specification to a launch program, and what is said of one'],
  [
    'image/content',
    'the images on disk: an OCI layout, what is written to it, and what is removed',
  ],
  ['image', 'what a root file system is made of'],
  ['image/snapshots', 'from the name of an image to a root and the defaults of its containers'],
  ['image/registry', 'the client of image registries'],
  ['image/unpack', 'from the blob of a layer to a directory, and back to nothing'],
  ['build', 'Dockerfiles: their instructions, variables and ignored files'],
  ['archive', 'the files of a container: what was changed, exported, copied'],
  ['network/netlink', 'messages for the kernel about interfaces, addresses and routes'],
  ['network/firewall', 'what container networks may reach, and published ports'],
  ['network/policy', 'what a container may connect to, as rules and as chains of the firewall'],
  ['network/bridge', 'networks with a bridge: their files, subnets and addresses'],
  ['network/names', 'what the resolver is told of the names of containers'],
  ['network', 'networks in user mode, and the shared network of a rootless user'],
  ['volumes', 'named and anonymous volumes: their files, and which of them runs have'],
  ['engine/options', 'what a caller may ask for, checked, as a configuration'],
  ['engine/spec', 'from a configuration to an OCI specification'],
  ['engine/store', 'containers on disk: names, locks, states, events'],
  ['info', 'what this machine is and can do'],
  ['engine/logs', 'reading the logs of containers'],
  ['engine/views', 'statistics, processes and filters: nothing here starts anything'],
  ['engine/start', 'one start, one run, one further program, and why they failed'],
  ['engine/supervisor', 'starting and talking to the process that keeps a container'],
  ['engine/networks', 'the verbs of networks, and their containers'],
  ['engine/images', 'the verbs of images'],
  ['engine/volumes', 'the verbs of volumes'],
  ['engine/container', 'the verbs of a container, its recovery and its removal'],
  ['engine/pool', 'containers that wait for jobs'],
  ['engine/build', 'images from Dockerfiles: each instruction in a container'],
  ['engine', 'the class Engine'],
  ['testing', '`caisson/test`: containers for the tests of others'],
  ['docker', 'the shapes and texts of Docker: inspect, ps, events, info'],
  ['cli', 'the command line'],
  ['', 'index.ts, which is all that is public'],
];

/** Folders that divide a room and are not rooms: no order is kept among them. */
const PARTS: ReadonlySet<string> = new Set([
  'cgroup/limits',
  'cgroup/systemd',
  'cli/args',
  'cli/commands',
  'cli/completion',
  'cli/flags',
  'cli/format',
  'cli/template',
  'cli/terminal',
  'program/container-phase',
  'program/host-phase',
]);

const LONGEST = 500;

/** Files that were longer when the limit was set, with their length. The list may only shrink. */
const LONGER: Readonly<Record<string, number>> = {};

/** By path below lib/. */
type Texts = ReadonlyMap<string, string>;
type Imports = ReadonlyMap<string, readonly string[]>;

function readTexts(): Texts {
  const paths = readdirSync('lib', { recursive: true, encoding: 'utf8' });
  return new Map(
    paths
      .filter((path) => path.endsWith('.ts'))
      .map((path) => [path, readFileSync(`lib/${path}`, 'utf8')]),
  );
}

const COMMENT = /^ *(?:\/\/|\/?\*).*/gm;
/** A text that is a module's name, whatever is done with it. */
const MODULE = /['"`](\.{1,2}\/[^'"`\n]+)\.js['"`]/g;

/** All that a file names of lib/: imports, of types too, re-exports, and what is imported when it is needed. */
function importsOf(texts: Texts): Imports {
  return new Map(
    [...texts].map(([path, text]) => [
      path,
      [...text.replaceAll(COMMENT, '').matchAll(MODULE)].map(
        ([, name]) => `${posix.join(posix.dirname(path), name!)}.ts`,
      ),
    ]),
  );
}

/** Undefined: it lies in no room. */
function floorOf(path: string): number | undefined {
  const folder = posix.dirname(path);
  const room = PARTS.has(folder) ? posix.dirname(folder) : folder === '.' ? '' : folder;
  const floor = FLOORS.findIndex(([name]) => name === room);
  return floor < 0 || (room === '' && path !== 'index.ts') ? undefined : floor;
}

function upwardImports(imports: Imports): string[] {
  return [...imports].flatMap(([path, targets]) =>
    targets
      .filter((target) => (floorOf(target) ?? Infinity) > (floorOf(path) ?? Infinity))
      .map((target) => `${path} imports ${target}`),
  );
}

/** One path for each circle that is found. */
function circles(imports: Imports): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path);
    if (at >= 0) found.push([...way.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const target of imports.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  return found;
}

const lengthOf = (text: string): number => text.split('\n').length - 1;

describe('The rooms of lib/', () => {
  const texts = readTexts();
  const imports = importsOf(texts);

  it('Every file lies in a room', () => {
    expect([...texts.keys()].filter((path) => floorOf(path) === undefined)).to.deep.equal([]);
  });

  it('Every room has a file', () => {
    const used = new Set([...texts.keys()].map(floorOf));
    expect(FLOORS.filter((_, floor) => !used.has(floor))).to.deep.equal([]);
  });

  it('Every import leads to a file of lib/', () => {
    const lost = [...imports].flatMap(([path, targets]) =>
      targets.filter((target) => !texts.has(target)).map((target) => `${path} imports ${target}`),
    );
    expect(lost).to.deep.equal([]);
  });

  it('No file imports a file of a higher floor', () => {
    expect(upwardImports(imports)).to.deep.equal([]);
  });

  it('No files import each other in a circle', () => {
    expect(circles(imports)).to.deep.equal([]);
  });

  it('No two files of lib/ have the same name', () => {
    const paths = new Map<string, string[]>();
    for (const path of texts.keys()) {
      const name = posix.basename(path);
      paths.set(name, [...(paths.get(name) ?? []), path]);
    }
    expect([...paths.values()].filter(({ length }) => length > 1)).to.deep.equal([]);
  });

  it(`No file has more than ${LONGEST} lines, except for those that are listed`, () => {
    const long = [...texts].filter(
      ([path, text]) => lengthOf(text) > Math.max(LONGEST, LONGER[path] ?? 0),
    );
    expect(long.map(([path, text]) => `${path}: ${lengthOf(text)}`)).to.deep.equal([]);
  });

  it('Every file that may be longer still is', () => {
    const short = Object.keys(LONGER).filter((path) => lengthOf(texts.get(path) ?? '') <= LONGEST);
    expect(short).to.deep.equal([]);
  });

  it('The table of docs/architecture.md has a line for each room, in the order of the floors', () => {
    const text = readFileSync('docs/architecture.md', 'utf8');
    const rows = [...text.matchAll(/^\| `lib\/([a-z/.]*)` \|/gm)].map(([, room = '']) => room);
    expect(rows).to.deep.equal(FLOORS.map(([room]) => (room === '' ? 'index.ts' : `${room}/`)));
  });

  it('Imports of every kind are seen', () => {
    const kinds = [
      "import { a } from './a.js';",
      "import type { B } from './b.js';",
      "export { c } from './c.js';",
      "export type * from './d.js';",
      "const e = async () => (await import('./e.js')).e;",
      "type F = import('./f.js').F;",
      "import './g.js';",
      "// import { h } from './h.js';",
    ];
    const seen = importsOf(new Map([['base/x.ts', kinds.join('\n')]])).get('base/x.ts');
    expect(seen).to.deep.equal([...'abcdefg'].map((name) => `base/${name}.ts`));
  });

  it('An upward import, a circle and a file in no room are found', () => {
    const wrong = importsOf(
      new Map([
        ['base/a.ts', "import type { B } from '../oci/b.js';"],
        ['oci/b.ts', "import { c } from './c.js';"],
        ['oci/c.ts', "const b = import('./b.js');"],
      ]),
    );
    expect(upwardImports(wrong)).to.deep.equal(['base/a.ts imports oci/b.ts']);
    expect(circles(wrong)).to.deep.equal(['oci/b.ts → oci/c.ts → oci/b.ts']);
    const homeless = ['engine/parlour/d.ts', 'e.ts', 'oci/parts/f.ts'];
    expect(homeless.map(floorOf)).to.deep.equal([undefined, undefined, undefined]);
  });
});
