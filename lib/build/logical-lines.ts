/**
 * The lines of a Dockerfile: parser directives, comments, continued lines and here-documents.
 * docs.docker.com/reference/dockerfile, "Format", "Parser directives", "Here-Documents"
 */
import { splitLines } from '../base/lines.js';
import { dockerfileError } from './dockerfile-error.js';

/** A text that stands in the Dockerfile itself: `<<NAME`. */
export interface HereDocument {
  readonly name: string;
  /** With `<<-`, tabs at the beginning of each line are already removed. */
  readonly content: string;
  /** False if the name was quoted. */
  readonly expand: boolean;
}

export interface LogicalLine {
  /** Of its first line in the file, counted from 1. */
  readonly line: number;
  /** Without comments, continuations, and white space at both ends. Never empty. */
  readonly text: string;
  readonly hereDocuments: readonly HereDocument[];
}

export interface LogicalLines {
  /** What continues a line and quotes characters: a backslash, or a backtick. */
  readonly escape: string;
  readonly lines: readonly LogicalLine[];
}

/** In bytes; Docker's builder has the same limit for what it sends as one message. */
export const MAX_DOCKERFILE = 1 << 20;

const WITH_HERE_DOCUMENTS = /^(?:RUN|COPY|ADD)\s/i;
const HERE_DOCUMENT = /(?<!<)<<(-?)(?:"([\w.-]+)"|'([\w.-]+)'|([A-Za-z_][\w.-]*))(?![<\w])/g;

/** @throws ERR_INVALID_DOCKERFILE */
export function logicalLines(source: string): LogicalLines {
  if (source.length > MAX_DOCKERFILE) {
    throw dockerfileError(1, `the file is larger than ${MAX_DOCKERFILE} bytes`);
  }
  const rows = splitLines(source.replace(/^\uFEFF/, ''));
  const escape = escapeOf(rows);
  const continued = new RegExp(`${escape === '`' ? '`' : '\\\\'}[ \\t]*$`);
  const lines: LogicalLine[] = [];
  for (let at = 0; at < rows.length; ) {
    if (isComment(rows[at]!) || rows[at]!.trim() === '') {
      at++;
      continue;
    }
    const line = at + 1;
    let text = '';
    for (let more = true; more && at < rows.length; at++) {
      const row = rows[at]!;
      // Comments and empty lines do not end a line that is continued.
      if (isComment(row) || row.trim() === '') continue;
      more = continued.test(row);
      text += more ? row.replace(continued, '') : row;
    }
    text = text.trim();
    if (text === '') continue;
    const hereDocuments: HereDocument[] = [];
    for (const opening of openingsOf(text)) {
      const found = takeHereDocument(rows, at, opening, line);
      hereDocuments.push(found.document);
      at = found.next;
    }
    lines.push({ line, text, hereDocuments });
  }
  return { escape, lines };
}

function isComment(row: string): boolean {
  return /^\s*#/.test(row);
}

/** Directives stand before everything else, comments included. */
function escapeOf(rows: readonly string[]): string {
  const seen = new Set<string>();
  let escape = '\\';
  for (const [index, row] of rows.entries()) {
    const directive = /^\s*#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$/.exec(row);
    if (directive === null) break;
    const name = directive[1]!.toLowerCase();
    if (!['escape', 'syntax', 'check'].includes(name)) break;
    if (seen.has(name)) {
      throw dockerfileError(index + 1, `only one ${name} parser directive can be used`);
    }
    seen.add(name);
    if (name !== 'escape') continue;
    const value = directive[2]!;
    if (value !== '\\' && value !== '`') {
      throw dockerfileError(index + 1, `invalid ESCAPE '${value}': it must be \` or \\`);
    }
    escape = value;
  }
  return escape;
}

interface Opening {
  readonly name: string;
  readonly expand: boolean;
  readonly chomp: boolean;
}

function openingsOf(text: string): Opening[] {
  if (!WITH_HERE_DOCUMENTS.test(text) || /^\w+\s+\[/.test(text)) return [];
  return [...withoutQuoted(text).matchAll(HERE_DOCUMENT)].map((found) => ({
    name: found[2] ?? found[3] ?? found[4]!,
    expand: found[4] !== undefined,
    chomp: found[1] === '-',
  }));
}

/** What is quoted opens no here-document; a quoted name after `<<` does. */
function withoutQuoted(text: string): string {
  return text.replace(/(<<-?)?(?:"[^"]*"|'[^']*')/g, (all, opening: string | undefined) =>
    opening === undefined ? ' '.repeat(all.length) : all,
  );
}

function takeHereDocument(
  rows: readonly string[],
  from: number,
  { name, expand, chomp }: Opening,
  line: number,
): { readonly document: HereDocument; readonly next: number } {
  const content: string[] = [];
  for (let at = from; at < rows.length; at++) {
    const row = chomp ? rows[at]!.replace(/^\t+/, '') : rows[at]!;
    if (row === name) {
      const text = content.map((one) => `${one}\n`).join('');
      return { document: { name, content: text, expand }, next: at + 1 };
    }
    content.push(row);
  }
  throw dockerfileError(line, `unterminated heredoc ${name}`);
}
