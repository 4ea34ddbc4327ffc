/** What two engines cannot have in common is taken out of what they print: ids, times, their names, their words. */
import type { EngineUnderTest } from './engine-under-test.js';
import type { StepOutcome } from './parity-case.js';

/** The first line of a message by an engine rather than a program. */
const MESSAGE = new RegExp(
  `^(?:${[
    'docker: ',
    'caisson: ',
    'hint: ',
    'Error',
    'error ',
    'OCI runtime',
    'unknown ',
    'unable ',
    'invalid ',
    'failed ',
    'flag ',
    'template',
    'Conflict',
    'conflicting',
    'cannot ',
    'You cannot',
    'you cannot',
    'the input device',
    'the --',
    'bad format',
    'open ',
    'stat ',
    'requires ',
    'WARNING: ',
    'Status: ',
    'read ',
    'context ',
    "'?docker '?[a-z ]+'? requires",
    'time="',
    'lstat ',
    'must specify ',
    'copying between ',
    'no such directory',
    'cannot copy directory',
    'destination "',
    'source can not ',
    'refusing to ',
    'An image does not exist locally ',
    'Get "http',
    'WARNING! ',
    'Untar ',
    'You must',
    'you must',
    'container ID file',
    'docker-init',
    'strconv',
    'parse error',
    'every ip-range ',
    'no matching subnet ',
    'multiple overlapping ',
    'No public port ',
    '"specify mac-address ',
  ].join('|')})`,
);
/** What may follow it. */
const REST =
  /^(?:$|Usage: {2}|See '|S?Run '|\tdocker |hint: |See ".*--help|exit status \d+$| {2,}|Examples:|Options:)/;
/** Of this machine, not of the engine's. */
const NOISE =
  /^(?:(?:WARNING: )?IPv4 forwarding is disabled.*|WARNING: Your kernel does not support .*)\r?\n/gm;

export function normalize(
  outcome: StepOutcome,
  engine: EngineUnderTest,
  id: string,
  messages: boolean,
): StepOutcome {
  return {
    code: outcome.code,
    stdout: stream(outcome.stdout, engine, id, messages),
    stderr: stream(outcome.stderr, engine, id, messages),
  };
}

function stream(text: string, engine: EngineUnderTest, id: string, messages: boolean): string {
  let out = text.replace(NOISE, '');
  for (const path of [engine.scratch(id)]) out = out.replaceAll(path, 'DIR');
  // A shell's prompt, drawn anew because a size came late.
  out = out.replaceAll('\r/ # \x1b[J', '');
  if (!messages) out = collapseMessages(out);
  for (const image of Object.values(engine.images) as string[])
    out = out.replaceAll(image.replace(/^--rootfs /, ''), 'IMAGE');
  out = out
    .replace(/\b(?:sha256:)?[0-9a-f]{64}\b/g, 'ID')
    .replace(/\b[0-9a-f]{12}\b/g, 'SHORT-ID')
    .replace(
      /\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| ?[+-]\d\d:?\d\d(?: [A-Z]+)?)?/g,
      'TIME',
    )
    .replace(/\b(?:\d+|About an?|Less than a) (?:second|minute)s?(?: ago)?/g, 'AGO')
    .replace(/\b[Dd]ocker\b|\b[Cc]aisson\b/g, 'ENGINE');
  // Columns are as wide as what is in them.
  return /^[A-Z%/ ]+ {3,}[A-Z]/.test(out) ? out.replace(/ {2,}/g, '  ').replace(/ +$/gm, '') : out;
}

function collapseMessages(text: string): string {
  const out: string[] = [];
  let inside = false;
  for (const line of text.split('\n')) {
    if (MESSAGE.test(line.replace(/\r$/, ''))) {
      if (!inside) out.push('(a message)');
      inside = true;
    } else if (inside && REST.test(line)) continue;
    else {
      inside = false;
      out.push(line);
    }
  }
  const joined = out.join('\n');
  return inside && !joined.endsWith('\n') ? `${joined}\n` : joined;
}
