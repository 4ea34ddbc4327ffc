/** `--change` of `import`: instructions of a Dockerfile that change an image's configuration (Docker's reference of the Dockerfile). */
import { invalid } from '../../base/check.js';
import { parseJson } from '../../base/storage.js';

/** The `config` of an image's configuration, with Docker's names. */
export interface ConfigFields {
  Cmd?: readonly string[];
  Entrypoint?: readonly string[];
  Env?: readonly string[];
  ExposedPorts?: Readonly<Record<string, object>>;
  Labels?: Readonly<Record<string, string>>;
  OnBuild?: readonly string[];
  StopSignal?: string;
  User?: string;
  Volumes?: Readonly<Record<string, object>>;
  WorkingDir?: string;
}

const SHELL = ['/bin/sh', '-c'];

/** @throws ERR_INVALID_OPTION */
export function configChanges(changes: readonly string[], config: ConfigFields = {}): ConfigFields {
  let fields = config;
  for (const change of changes) {
    const [, word = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(change) ?? [];
    if (rest === '') throw invalid('changes', change, 'is not an instruction with a value');
    fields = { ...fields, ...applied(word.toUpperCase(), rest, fields, change) };
  }
  return fields;
}

function applied(word: string, rest: string, fields: ConfigFields, change: string): ConfigFields {
  switch (word) {
    case 'CMD':
      return { Cmd: commandOf(rest) };
    case 'ENTRYPOINT':
      return { Entrypoint: commandOf(rest) };
    case 'ENV': {
      const added = pairsOf(rest, change);
      const names = new Set(added.map(([name]) => name));
      const kept = (fields.Env ?? []).filter((text) => !names.has(text.split('=', 1)[0] ?? ''));
      return { Env: [...kept, ...added.map(([name, value]) => `${name}=${value}`)] };
    }
    case 'EXPOSE': {
      const ports = wordsOf(rest).map((port) => (port.includes('/') ? port : `${port}/tcp`));
      const wrong = ports.find((port) => !/^\d{1,5}(?:-\d{1,5})?\/(?:tcp|udp|sctp)$/.test(port));
      if (wrong !== undefined) throw invalid('changes', change, `has a malformed port, ${wrong}`);
      return { ExposedPorts: { ...fields.ExposedPorts, ...emptyObjects(ports) } };
    }
    case 'LABEL':
      return { Labels: { ...fields.Labels, ...Object.fromEntries(pairsOf(rest, change)) } };
    case 'ONBUILD':
      return { OnBuild: [...(fields.OnBuild ?? []), rest] };
    case 'STOPSIGNAL':
      return { StopSignal: rest };
    case 'USER':
      return { User: rest };
    case 'VOLUME':
      return { Volumes: { ...fields.Volumes, ...emptyObjects(listOf(rest) ?? wordsOf(rest)) } };
    case 'WORKDIR':
      return {
        WorkingDir: rest.startsWith('/') ? rest : `${fields.WorkingDir ?? ''}/${rest}`,
      };
    default:
      throw invalid('changes', change, `has an instruction that cannot be given here: ${word}`);
  }
}

function commandOf(rest: string): readonly string[] {
  return listOf(rest) ?? [...SHELL, rest];
}

/** A JSON array of texts; undefined: it is none, and the text is for a shell. */
function listOf(rest: string): readonly string[] | undefined {
  const value = rest.startsWith('[') ? parseJson(rest) : undefined;
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
    ? value
    : undefined;
}

function emptyObjects(keys: readonly string[]): Record<string, object> {
  return Object.fromEntries(keys.map((key) => [key, {}]));
}

/** `a=1 b="2 3"`, or `a 1 2`, which is one pair. */
function pairsOf(rest: string, change: string): [string, string][] {
  const words = wordsOf(rest);
  if (!(words[0] ?? '').includes('=')) {
    const [, name = '', value = ''] = /^(\S+)\s+([\s\S]+)$/.exec(rest) ?? [];
    if (name === '') throw invalid('changes', change, 'has a name without a value');
    return [[name, value]];
  }
  return words.map((text) => {
    const equals = text.indexOf('=');
    if (equals < 1) throw invalid('changes', change, 'is not NAME=value');
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
}

/** Separated by spaces, with quotes and backslashes as in a shell. */
function wordsOf(rest: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < rest.length; at++) {
    const char = rest[at] ?? '';
    if (char === '\\' && quote !== "'") word = `${word ?? ''}${rest[++at] ?? ''}`;
    else if (quote !== '' && char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) {
      quote = char;
      word ??= '';
    } else if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = `${word ?? ''}${char}`;
  }
  if (word !== undefined) words.push(word);
  return words;
}
