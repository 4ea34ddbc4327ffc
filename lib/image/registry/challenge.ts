/** The header WWW-Authenticate (RFC 9110, 11.6.1): how a registry wants to be asked. */

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  readonly params: ReadonlyMap<string, string>;
}

/** Bytes of one header. Longer ones are not read: no registry needs them. */
const LONGEST = 8192;
const MOST_CHALLENGES = 8;
const MOST_PARAMS = 16;

const TOKEN = /[!#$%&'*+\-.^_`|~\w]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/** What can be read of the header, up to the first part that is malformed. */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  if (header === undefined || header.length > LONGEST) return [];
  const challenges: { scheme: string; params: Map<string, string> }[] = [];
  let at = 0;
  const skip = (characters: string): void => {
    while (at < header.length && characters.includes(header[at] ?? '')) at++;
  };
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at += match[0].length;
    return match;
  };
  while (challenges.length < MOST_CHALLENGES) {
    skip(' \t,');
    const word = take(TOKEN)?.[0];
    if (word === undefined) break;
    skip(' \t');
    if (header[at] !== '=') {
      challenges.push({ scheme: word.toLowerCase(), params: new Map() });
      continue;
    }
    at++;
    skip(' \t');
    const value = take(QUOTED)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? take(TOKEN)?.[0];
    const params = challenges.at(-1)?.params;
    if (value === undefined || params === undefined || params.size === MOST_PARAMS) break;
    if (!params.has(word.toLowerCase())) params.set(word.toLowerCase(), value);
  }
  return challenges;
}
