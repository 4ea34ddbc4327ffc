/** Patterns of names of images: Go's path.Match on the name with its tag, and on the name alone. */

/** @param name in its short form */
export function matchesPattern(pattern: string, name: string): boolean {
  const regexp = patternOf(pattern);
  return regexp !== undefined && (regexp.test(name) || regexp.test(withoutTag(name)));
}

/** Whether the pattern is the full form of the name: `docker.io/library/debian:12`. */
export function isManifestReference(pattern: string, name: string): boolean {
  return pattern === `docker.io/${name}` || pattern === `docker.io/library/${name}`;
}

function withoutTag(name: string): string {
  const at = name.indexOf('@');
  const named = at < 0 ? name : name.slice(0, at);
  const colon = named.lastIndexOf(':');
  return colon > named.lastIndexOf('/') ? named.slice(0, colon) : named;
}

/** `*` and `?` stop at a slash; `[a-z]`, `[^a]` and `\` are as in Go. Undefined: it is malformed, and matches nothing. */
function patternOf(pattern: string): RegExp | undefined {
  let text = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? '';
    if (char === '*') text += '[^/]*';
    else if (char === '?') text += '[^/]';
    else if (char === '\\') text += escape(pattern[++at] ?? '\\');
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) return undefined;
      const body = pattern.slice(at + 1, end);
      const negated = body.startsWith('^');
      const set = (negated ? body.slice(1) : body).replace(/[\\\]^[]/g, '\\$&');
      text += `(?!/)[${negated ? '^' : ''}${set}]`;
      at = end;
    } else text += escape(char);
  }
  try {
    return new RegExp(`^${text}$`, 'u');
  } catch {
    return undefined;
  }
}

function escape(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
