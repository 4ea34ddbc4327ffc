/** The rooms of cpp/ and the order of their floors, as test/unit/rooms.test.ts has them for lib/. */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** Lowest floor first. A file may include files of its own room and of lower floors, and not of another room of its floor. */
const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['program', 'seccomp', 'tar'],
  ['steps'],
  ['host', 'container'],
  ['supervisor', 'launcher'],
  ['resolver', 'agent'],
  ['init', 'addon', 'archive'],
];

const LONGEST = 500;

/** By path below cpp/. */
type Texts = ReadonlyMap<string, string>;

function readTexts(): Texts {
  const paths = readdirSync('cpp', { recursive: true, encoding: 'utf8' });
  return new Map(
    paths
      .filter((path) => /\.(cpp|h|def|c|S)$/.test(path))
      .map((path) => [path, readFileSync(`cpp/${path}`, 'utf8')]),
  );
}

const roomOf = (path: string): string => posix.dirname(path);
const floorOf = (path: string): number => FLOORS.findIndex((rooms) => rooms.includes(roomOf(path)));

function includesOf(path: string, text: string): string[] {
  return [...text.matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)].map(([, name = '']) =>
    posix.join(posix.dirname(path), name),
  );
}

/** Includes of a higher floor, or of another room of the same one. */
function wrongIncludes(texts: Texts): string[] {
  return [...texts].flatMap(([path, text]) =>
    includesOf(path, text)
      .filter((target) => roomOf(target) !== roomOf(path) && floorOf(target) >= floorOf(path))
      .map((target) => `${path} includes ${target}`),
  );
}

/** Files in different rooms, or apart from their header, that have one base name. */
function sameNames(paths: Iterable<string>): string[] {
  const rooms = new Map<string, Set<string>>();
  for (const path of paths) {
    const name = posix.basename(path).replace(/\.\w+$/, '');
    rooms.set(name, (rooms.get(name) ?? new Set()).add(roomOf(path)));
  }
  return [...rooms]
    .filter(([, found]) => found.size > 1)
    .map(([name, found]) => `${name}: ${[...found].join(', ')}`);
}

const lengthOf = (text: string): number => text.split('\n').length - 1;

describe('The rooms of cpp/', () => {
  const texts = readTexts();

  it('Every file lies in a room', () => {
    expect([...texts.keys()].filter((path) => floorOf(path) < 0)).to.deep.equal([]);
  });

  it('Every room has a file', () => {
    const used = new Set([...texts.keys()].map(roomOf));
    expect(FLOORS.flat().filter((room) => !used.has(room))).to.deep.equal([]);
  });

  it('Every include leads to a file of cpp/', () => {
    const lost = [...texts].flatMap(([path, text]) =>
      includesOf(path, text)
        .filter((target) => !texts.has(target))
        .map((target) => `${path} includes ${target}`),
    );
    expect(lost).to.deep.equal([]);
  });

  it('No file includes a file of a higher floor, or of another room of its floor', () => {
    expect(wrongIncludes(texts)).to.deep.equal([]);
  });

  it('No two rooms have files of one name', () => {
    expect(sameNames(texts.keys())).to.deep.equal([]);
  });

  it(`No file has more than ${LONGEST} lines`, () => {
    const long = [...texts].filter(([, text]) => lengthOf(text) > LONGEST);
    expect(long.map(([path, text]) => `${path}: ${lengthOf(text)}`)).to.deep.equal([]);
  });

  it('The table of docs/architecture.md has a line for each room, in the order of the floors', () => {
    const text = readFileSync('docs/architecture.md', 'utf8');
    const rows = [...text.matchAll(/^\| `cpp\/([a-z]+)\/` \|/gm)].map(([, room]) => room);
    expect(rows).to.deep.equal(FLOORS.flat());
  });

  it('A wrong include and a name in two rooms are found', () => {
    const wrong: Texts = new Map([
      ['base/a.h', '#include <stdint.h>\n#include "../program/b.h"\n'],
      ['program/b.h', '  #include "../base/a.h"\n#include "c.h"'],
      ['host/a.cpp', '#include "../container/d.h"'],
    ]);
    expect(wrongIncludes(wrong)).to.deep.equal([
      'base/a.h includes program/b.h',
      'host/a.cpp includes container/d.h',
    ]);
    expect(sameNames(wrong.keys())).to.deep.equal(['a: base, host']);
  });
});
