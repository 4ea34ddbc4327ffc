/**
 * Names of images, by Docker's grammar (the package `reference` of distribution):
 *
 *     reference = [domain "/"] path [":" tag] ["@" digest]
 *     domain    = (host name | IPv4 address | "[" IPv6 address "]") [":" port]
 *
 * The first component is a domain if it contains a dot, a colon or a capital letter, or is `localhost`; otherwise the
 * domain is `docker.io`, whose paths of one component are below `library/`.
 */
import { show } from '../base/check.js';
import { CaissonError } from '../base/errors.js';

/** A complete name; `fullName` and `familiarName` print it. */
export interface Reference {
  /** With the port, as it was written: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Of the repository: `library/debian`. */
  readonly path: string;
  readonly tag?: string | undefined;
  /** `sha256:…`; where there is one, it decides, and the tag is a remark. */
  readonly digest?: string | undefined;
}

export const DEFAULT_DOMAIN = 'docker.io';
const OFFICIAL = 'library/';
const DEFAULT_TAG = 'latest';

/** Of the name, without tag and digest. */
const LONGEST_NAME = 255;
/** More than any valid reference has: what is longer is not matched at all. */
const LONGEST = LONGEST_NAME + 1 + 128 + 1 + 256;

const DOMAIN =
  /^(?:\[[a-fA-F0-9:]+\]|(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*)(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const IDENTIFIER = /^[a-f0-9]{64}$/;

/** Hexadecimal digits of each algorithm that is registered for OCI descriptors and that Docker accepts in names. */
const DIGEST_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

/**
 * `debian` is `docker.io/library/debian`, without a tag: see `withDefaultTag`.
 *
 * @throws ERR_INVALID_REFERENCE
 */
export function parseReference(text: string): Reference {
  if (typeof text !== 'string') throw invalidReference(text, 'is not a string');
  if (text === '') throw invalidReference(text, 'is empty');
  if (text.length > LONGEST) throw invalidReference(text, 'is too long');
  if (IDENTIFIER.test(text))
    throw invalidReference(
      text,
      'has the form of an id, and is not a name',
      'a repository cannot be named with 64 hexadecimal digits',
    );
  const [named = '', digest] = splitOnce(text, '@');
  if (digest !== undefined && !isDigest(digest))
    throw invalidReference(
      text,
      'has a malformed digest',
      'a digest is sha256: and 64 hexadecimal digits in lower case',
    );
  const { domain, rest } = splitDomain(named);
  const [path = '', tag] = splitOnce(rest, ':');
  if (!DOMAIN.test(domain)) throw invalidReference(text, `has a malformed domain, ${show(domain)}`);
  if (path !== path.toLowerCase())
    throw invalidReference(text, 'has capital letters: the name of a repository is in lower case');
  if (!PATH.test(path))
    throw invalidReference(
      text,
      'is malformed',
      'a name is [DOMAIN[:PORT]/]PATH[:TAG][@DIGEST], such as debian:12',
    );
  if (tag !== undefined && !TAG.test(tag))
    throw invalidReference(
      text,
      `has a malformed tag, ${show(tag)}`,
      'a tag has up to 128 letters, digits, underscores, dots and hyphens, and does not begin with a dot or a hyphen',
    );
  if (domain.length + 1 + path.length > LONGEST_NAME)
    throw invalidReference(text, `is longer than ${LONGEST_NAME} characters without its tag`);
  return { domain, path, tag, digest };
}

/** The reference with the tag `latest`, if it has neither a tag nor a digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: DEFAULT_TAG }
    : reference;
}

/** `docker.io/library/debian`: without tag and digest. */
export function repositoryName({ domain, path }: Reference): string {
  return `${domain}/${path}`;
}

/** `docker.io/library/debian:12`: `parseReference` returns the reference for it. */
export function fullName(reference: Reference): string {
  return repositoryName(reference) + suffix(reference);
}

/** The shortest name for which `parseReference` returns the reference: `debian:12`. */
export function familiarName(reference: Reference): string {
  return familiarRepository(reference) + suffix(reference);
}

/** `debian` for `docker.io/library/debian`: without tag and digest. */
export function familiarRepository(reference: Reference): string {
  const { domain, path } = reference;
  if (domain !== DEFAULT_DOMAIN) return repositoryName(reference);
  const inner = path.startsWith(OFFICIAL) ? path.slice(OFFICIAL.length) : '/';
  const short = inner.includes('/') ? path : inner;
  // docker.io/a.b/c is not a.b/c, which is on the domain a.b.
  const parsed = splitDomain(short);
  return parsed.domain === DEFAULT_DOMAIN && parsed.rest === path && !IDENTIFIER.test(short)
    ? short
    : repositoryName(reference);
}

/** Whether it is a digest whose algorithm is known, such as `sha256:…`. */
export function isDigest(text: string): boolean {
  const [algorithm = '', hex = ''] = splitOnce(text, ':');
  return DIGEST_LENGTHS.get(algorithm) === hex.length && /^[a-f0-9]+$/.test(hex);
}

/** Whether it may be a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

function suffix({ tag, digest }: Reference): string {
  return (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
}

/** @param named without the digest. */
function splitDomain(named: string): { readonly domain: string; readonly rest: string } {
  const [first = '', remainder] = splitOnce(named, '/');
  const isDomain =
    remainder !== undefined &&
    (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  // The domain of Docker's index was once another one.
  const domain = !isDomain || first === `index.${DEFAULT_DOMAIN}` ? DEFAULT_DOMAIN : first;
  const rest = isDomain ? remainder : named;
  return {
    domain,
    rest: domain === DEFAULT_DOMAIN && !rest.includes('/') ? OFFICIAL + rest : rest,
  };
}

/** At the first separator; the second part is undefined if there is none. */
function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function invalidReference(value: unknown, why: string, hint?: string): CaissonError {
  return new CaissonError('ERR_INVALID_REFERENCE', `image: ${show(value)} ${why}`, {
    stage: 'image',
    path: typeof value === 'string' ? value.slice(0, LONGEST) : undefined,
    hint,
  });
}
