/**
 * The user that the container's program runs as: `name|uid[:group|gid]`, looked up in the container's own account
 * files with Docker's rules (moby/sys user.GetExecUser). Every string is read as a whole: a user that is
 * almost a number is a name, never root (CVE-2026-30892).
 */
import { CaissonError } from '../../base/errors.js';
import { invalid, plainString } from '../../base/check.js';

/** The largest id: 2^32-1 is the kernel's "no id". */
export const MAX_ID = 2 ** 32 - 2;

/** What /etc/passwd and /etc/group hold; undefined where there is none. */
export interface Accounts {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** With the primary group first, so that it can be given up no more than the others (CVE-2022-36109). */
  readonly additionalGids: readonly number[];
  /** Absolute. */
  readonly home: string;
}

export interface UserChoice {
  readonly user: string | number;
  readonly group?: string | number;
}

const NUMBER = /^(?:0|[1-9]\d{0,9})$/;
/** A number written otherwise, which another reader might take for one (CVE-2026-30892). */
const ALMOST_NUMBER = /^[+-]?(?:\d*\.?\d+(?:e[+-]?\d+)?|0x[\da-f]*)$/i;
/**
 * As for Docker a name is what stands in the file, whatever it begins with and in whatever script: no line of the file can
 * hold a colon, a newline or another control character, and names do not begin or end with white space.
 */
const NAME = /^(?!\s)[^:\p{Cc}]{1,255}(?<!\s)$/u;

/** An id, or a name. */
function parsePart(option: string, given: unknown, part: string): string | number {
  if (NUMBER.test(part)) {
    const id = Number(part);
    if (id > MAX_ID) throw invalid(option, given, `has an id above ${MAX_ID}`);
    return id;
  }
  if (ALMOST_NUMBER.test(part) || !NAME.test(part))
    throw invalid(option, given, 'is not name|uid[:group|gid]');
  return part;
}

export function parseUser(option: string, value: string): UserChoice {
  const text = plainString(option, value);
  const colon = text.indexOf(':');
  if (colon < 0) return { user: parsePart(option, text, text) };
  return {
    user: parsePart(option, text, text.slice(0, colon)),
    group: parsePart(option, text, text.slice(colon + 1)),
  };
}

export function parseGroup(value: string | number): string | number {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || value < 0 || value > MAX_ID)
      throw invalid('groupAdd', value, 'is not a group id');
    return value;
  }
  return parsePart('groupAdd', value, plainString('groupAdd', value));
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !NUMBER.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

/** passwd(5). Lines that are not whole are skipped: the file belongs to the image. */
export function findPasswd(
  content: string,
  matches: (entry: PasswdEntry) => boolean,
): PasswdEntry | undefined {
  for (const line of content.split('\n')) {
    const [name = '', , uidText, gidText, , home = ''] = line.split(':');
    const uid = parseId(uidText);
    const gid = parseId(gidText);
    if (name === '' || name.startsWith('#') || uid === undefined || gid === undefined) continue;
    const entry = { name, uid, gid, home };
    if (matches(entry)) return entry;
  }
  return undefined;
}

/** group(5). */
export function parseGroups(content: string): readonly GroupEntry[] {
  const groups: GroupEntry[] = [];
  for (const line of content.split('\n')) {
    const [name = '', , gidText, members = ''] = line.split(':');
    const gid = parseId(gidText);
    if (name === '' || name.startsWith('#') || gid === undefined) continue;
    groups.push({
      name,
      gid,
      members: members.trim() === '' ? [] : members.split(',').map((member) => member.trim()),
    });
  }
  return groups;
}

function noSuch(kind: 'user' | 'group', option: string, name: string, file: string): CaissonError {
  return new CaissonError(
    'ERR_NO_SUCH_USER',
    `${option}: no such ${kind} in the container: "${name}"`,
    {
      stage: 'config',
      path: file,
      hint: `${file} of the image has no entry of that name; a number needs none`,
    },
  );
}

/**
 * @param user `name|uid[:group|gid]`; missing or empty is user 0, with what its entry says.
 * @param accounts what stands in the container's own files.
 * @throws ERR_INVALID_OPTION, ERR_NO_SUCH_USER
 */
export function resolveUser(
  user: string | undefined,
  groupAdd: readonly (string | number)[] | undefined,
  accounts: Accounts,
): ResolvedUser {
  const choice: UserChoice =
    user === undefined || user === '' ? { user: 0 } : parseUser('user', user);
  const entry = findPasswd(accounts.passwd ?? '', (candidate) =>
    typeof choice.user === 'number'
      ? candidate.uid === choice.user
      : candidate.name === choice.user,
  );
  if (entry === undefined && typeof choice.user === 'string')
    throw noSuch('user', 'user', choice.user, '/etc/passwd');
  const uid = entry?.uid ?? (choice.user as number);
  const groups = parseGroups(accounts.group ?? '');

  let gid = entry?.gid ?? 0;
  let implied: readonly number[] = [];
  if (choice.group !== undefined) gid = groupId('user', choice.group, groups);
  else if (entry !== undefined) {
    implied = groups
      .filter(({ members }) => members.includes(entry.name))
      .map((found) => found.gid);
  }
  const home = entry?.home ?? '';
  return {
    uid,
    gid,
    additionalGids: gidList(gid, implied, groupAdd ?? [], groups),
    home: home.startsWith('/') ? home : '/',
  };
}

function groupId(option: string, group: string | number, groups: readonly GroupEntry[]): number {
  if (typeof group === 'number') return group;
  const found = groups.find(({ name }) => name === group);
  if (found === undefined) throw noSuch('group', option, group, '/etc/group');
  return found.gid;
}

function gidList(
  gid: number,
  implied: readonly number[],
  extra: readonly (string | number)[],
  groups: readonly GroupEntry[],
): readonly number[] {
  const gids = new Set([gid, ...implied]);
  for (const group of extra) gids.add(groupId('groupAdd', parseGroup(group), groups));
  return [...gids];
}
