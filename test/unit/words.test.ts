/** The documents and the code use the field's terms (docs/glossary.md), and none of the home-made words that they replaced. */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';

type Scope = 'documents' | 'lib' | 'cpp';

interface Rule {
  /** Of one or several words, in lower case. Identifiers are split: `killedByGuard` is `killed by guard`. */
  readonly words: RegExp;
  readonly instead: string;
  /** Beginnings of the paths in which the words still stand. The list may only shrink. */
  readonly still?: readonly string[];
}

const RULES: readonly Rule[] = [
  {
    words: /\bkept containers?\b|\bcontainers? (?:that|which) (?:is|are) kept\b/,
    instead: 'detached container',
  },
  { words: /\bmonitors?\b/, instead: 'supervisor' },
  { words: /\bkeepers?\b/, instead: 'exec supervisor' },
  { words: /\bguards?\b/, instead: 'cleanup helper' },
  { words: /\bundertakers?\b/, instead: 'teardown thread' },
  { words: /\bfaces?\b/, instead: 'subcommand' },
  { words: /\bhal(?:f|ves)\b/, instead: 'phase' },
  { words: /\bmend(?:s|ed|ing)?\b/, instead: 'recover' },
  {
    words: /\bund(?:o|oes|one|oing|id)\b/,
    instead: 'tear down',
  },
  { words: /\bdiscard(?:s|ed|ing)?\b/, instead: 'delete' },
  {
    words: /\blet(?:s|ting)? go\b/,
    instead: 'release, resume, disconnect',
  },
  { words: /\badmit(?:s|ted|ting)?\b/, instead: 'write the id maps' },
  {
    words: /\bown users\b/,
    instead: 'user namespace, own user ids',
  },
  {
    words: /\bwithout root\b|\bordinary users?\b/,
    instead: 'rootless, unprivileged user',
  },
  { words: /\bwithout a daemon\b/, instead: 'daemonless' },
  {
    words: /\b(?:container|containers|users) around\b/,
    instead: 'outer container',
  },
  { words: /\bstamps?\b/, instead: 'instantiate, timestamp' },
  {
    words: /\brecipes?\b/,
    instead: 'template',
  },
  { words: /\bsurroundings\b/, instead: 'context, confinement' },
  {
    words: /\bhomes?\b/,
    instead: 'context, directory',
    still: [
      'lib/engine/options/',
      'lib/engine/spec/to-spec.ts',
      'lib/engine/start/exec.ts',
      'lib/engine/store/',
      'lib/host/private-directory.ts',
      'lib/image/host-etc.ts',
    ],
  },
  {
    words: /\bplaces\b/,
    instead: 'paths, files, clients',
  },
  { words: /\bcures?\b/, instead: 'remedy' },
  { words: /\b(?:a|the|its|this|that|each|no) cause\b/, instead: 'reason' },
  { words: /\bwards?\b|\bnursery\b|\bburied\b|\bdoomed\b/, instead: 'process harness' },
  {
    words: /\bwho(?:ever|mever)\b/,
    instead: 'the process that, the caller',
  },
  {
    words: /\b(?:some|any|every)body\b|\bsomeone\b|\banyone\b/,
    instead: 'a process, a client, all users',
  },
  {
    words: /\bhi[sm]\b|\bs?he\b/,
    instead: "the user's, the user",
  },
];

/** Reviewed: what is meant is not what the words are replaced for. */
const ALLOWED: readonly RegExp[] = [
  /\bhalf (?:an?|of|the|as|its|frozen|made)\b/g, // half a second, half of the memory
  /\b(?:lower|upper) hal(?:f|ves)\b|\bload half\b/g, // of a number
  /\btime stamps?\b/g,
  /\b(?:data|config|cache) home\b|[$/'‘]home\b|\bhomes\b|\bhome node\b|\bhome, (?:hostname|term)\b|\bhome is the user/g, // XDG_DATA_HOME, /home
  /\b(?:protector|lock|chk) guard\b|\bguard (?:gap|page)s?\b/g, // a compiler option, C++'s std::lock_guard; below a stack
  /[`']discard[`']|\bdocker discards\b/g, // a mount option of ext4
];

/** In lower case, one identifier as several words, without the marks of comments; lines stay lines. */
function plain(text: string): string {
  return text
    .replaceAll(/^[ \t]*(?:\/\*\*?|\*\/?|\/\/+|#)[ \t]?/gm, '')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/[_-]+/g, ' ')
    .toLowerCase();
}

/** The text to which rules are applied: without what is allowed. */
function checkedText(text: string): string {
  const blank = (match: string): string => match.replaceAll(/[^\n]/g, ' ');
  return ALLOWED.reduce((rest, allowed) => rest.replaceAll(spaced(allowed), blank), plain(text));
}

/** @param checked from `checkedText`. */
function found(checked: string, { words }: Rule): { line: number; word: string }[] {
  return [...checked.matchAll(spaced(words))].map(({ 0: word, index }) => ({
    line: checked.slice(0, index).split('\n').length,
    word: word.replaceAll(/\s+/g, ' '),
  }));
}

/** A phrase may be broken between two lines. */
function spaced(pattern: RegExp): RegExp {
  return new RegExp(pattern.source.replaceAll(' ', '\\s+'), 'g');
}

/** Each file of a scope as a line with its path and the text. */
function read(scope: Scope): [path: string, text: string][] {
  const within = (directory: string, name: RegExp): string[] =>
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((path) => name.test(path))
      .map((path) => `${directory}/${path}`);
  const paths = {
    documents: () => ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...within('docs', /\.md$/)],
    lib: () => within('lib', /\.ts$/),
    cpp: () => within('cpp', /\.(?:h|def|cpp|c|S)$/),
  };
  return paths[scope]().map((path) => [path, readFileSync(path, 'utf8')]);
}

describe('The words of the documents and the code', () => {
  for (const scope of ['documents', 'lib', 'cpp'] as const) {
    it(`No word that a term of the field has replaced stands in ${scope}`, () => {
      const all = read(scope).flatMap(([path, text]) => {
        const [name, content] = [checkedText(path), checkedText(text)];
        return RULES.filter(
          ({ still = [] }) => !still.some((start) => path.startsWith(start)),
        ).flatMap((rule) => [
          ...found(name, rule).map(
            ({ word }) => `${path}: "${word}" in the name; instead: ${rule.instead}`,
          ),
          ...found(content, rule).map(
            ({ line, word }) => `${path}:${line}: "${word}"; instead: ${rule.instead}`,
          ),
        ]);
      });
      expect(all.join('\n')).to.equal('');
    });
  }

  it('A word is found in identifiers, in comments over two lines and in texts, and what is allowed is not', () => {
    const words = (text: string): string[] =>
      RULES.flatMap((rule) => found(checkedText(text), rule)).map(({ word }) => word);
    expect(words('killGuard(kept_container)')).to.deep.equal(['kept container', 'guard']);
    expect(words(' * as an ordinary\n * user of the machine')).to.deep.equal(['ordinary user']);
    expect(words('half a second after $HOME/x, the lower half of it')).to.deep.equal([]);
    expect(words('the other half')).to.deep.equal(['half']);
  });
});
