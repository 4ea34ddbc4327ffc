/** Go's strconv.Quote. */
export function quote(text: string): string {
  return `"${text.replace(
    /["\\\x00-\x1f\x7f]|\p{Cs}/gu,
    (letter) => NAMED[letter] ?? `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )}"`;
}

const NAMED: Readonly<Record<string, string | undefined>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};
