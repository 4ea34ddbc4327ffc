/** The verbs of Go's fmt that formats use: `%s %v %d %q %t %x %X %o %b %c %f %e %g %U %T %%`, with flags, width, precision. */
import { quote } from '../../docker/go-quote.js';
import { format, formatFloat, typeName } from './values.js';

const DIRECTIVE = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?([\s\S])?/gu;
/** fmt's own limit for both. */
const MAX_WIDTH = 1_000_000;

export function sprintf(pattern: string, args: readonly unknown[]): string {
  let next = 0;
  const star = (): number | undefined => {
    const value = args[next++];
    return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= MAX_WIDTH
      ? value
      : undefined;
  };
  const text = pattern.replace(
    DIRECTIVE,
    (
      _all,
      flagText: string,
      widthText: string | undefined,
      precisionText: string | undefined,
      verb: string | undefined,
    ) => {
      let flags = flagText;
      let width = widthText === '*' ? star() : Number(widthText ?? 0);
      if (width === undefined || width > MAX_WIDTH) {
        next++;
        return '%!(BADWIDTH)';
      }
      if (width < 0) {
        flags += '-';
        width = -width;
      }
      const precision =
        precisionText === undefined
          ? undefined
          : precisionText === '*'
            ? star()
            : Number(precisionText);
      if (precisionText !== undefined && (precision === undefined || precision > MAX_WIDTH))
        return '%!(BADPREC)';
      if (verb === undefined) return '%!(NOVERB)';
      if (verb === '%') return '%';
      if (next >= args.length) return `%!${verb}(MISSING)`;
      return pad(convert(verb, args[next++], flags, precision), width, flags, verb);
    },
  );
  if (next >= args.length) return text;
  const extra = args.slice(next).map((value) => `${typeName(value)}=${plain(value)}`);
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}

/** Unlike a template's own output, nothing is `<nil>`. */
function plain(value: unknown): string {
  return value === undefined || value === null ? '<nil>' : format(value);
}

function pad(text: string, width: number, flags: string, verb: string): string {
  // A character has at most two units: nothing need be counted of a long text.
  if (text.length >= 2 * width) return text;
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0') || !'dxXobfeEgGv'.includes(verb) || !/^[+-]?\d/.test(text))
    return ' '.repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

function convert(
  verb: string,
  value: unknown,
  flags: string,
  precision: number | undefined,
): string {
  if (verb === 'T') return typeName(value);
  // Verbs go into the elements of what they do not fit as a whole.
  if (Array.isArray(value) && verb !== 'v')
    return `[${value.map((item) => convert(verb, item, flags, precision)).join(' ')}]`;
  switch (verb) {
    case 'v':
      return typeof value === 'number' ? signed(plain(value), value, flags) : plain(value);
    case 's':
      if (typeof value === 'string') return cut(value, precision);
      if (typeof value === 'object' && value !== null) return plain(value);
      break;
    case 'q':
      if (typeof value === 'string') return quote(cut(value, precision));
      if (isCode(value)) return `'${String.fromCodePoint(value)}'`;
      break;
    case 't':
      if (typeof value === 'boolean') return String(value);
      break;
    case 'd':
      if (isWhole(value)) return signed(String(value), value, flags);
      break;
    case 'o':
    case 'b':
      if (isWhole(value)) {
        const prefix = verb === 'o' && flags.includes('#') ? '0' : '';
        const text = prefix + Math.abs(value).toString(verb === 'o' ? 8 : 2);
        return signed(text, value, flags, value < 0);
      }
      break;
    case 'x':
    case 'X': {
      const hex =
        typeof value === 'string'
          ? hexOf(cut(value, precision), flags)
          : isWhole(value)
            ? Math.abs(value).toString(16)
            : undefined;
      if (hex === undefined) break;
      const text = `${flags.includes('#') ? '0x' : ''}${hex}`;
      const whole = typeof value === 'number' ? signed(text, value, flags, value < 0) : text;
      return verb === 'X' ? whole.toUpperCase() : whole;
    }
    case 'c':
      if (isCode(value)) return String.fromCodePoint(value);
      break;
    case 'U':
      if (isCode(value)) return `U+${value.toString(16).toUpperCase().padStart(4, '0')}`;
      break;
    case 'f':
    case 'F':
      if (typeof value === 'number')
        return signed(value.toFixed(Math.min(precision ?? 6, 100)), value, flags);
      break;
    case 'e':
    case 'E':
      if (typeof value === 'number') {
        const text = exponent(value.toExponential(Math.min(precision ?? 6, 100)));
        return signed(verb === 'E' ? text.toUpperCase() : text, value, flags);
      }
      break;
    case 'g':
    case 'G':
      if (typeof value === 'number') {
        const text = formatFloat(value, precision);
        return signed(verb === 'G' ? text.toUpperCase() : text, value, flags);
      }
      break;
  }
  return value === undefined || value === null
    ? `%!${verb}(<nil>)`
    : `%!${verb}(${typeName(value)}=${plain(value)})`;
}

/** With a space between bytes for `% x`. */
function hexOf(text: string, flags: string): string {
  const hex = Buffer.from(text).toString('hex');
  return flags.includes(' ') ? hex.replace(/..(?=.)/g, '$& ') : hex;
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value);
}

function isCode(value: unknown): value is number {
  return isWhole(value) && value >= 0 && value <= 0x10ffff;
}

function cut(text: string, precision: number | undefined): string {
  return precision === undefined ? text : [...text].slice(0, precision).join('');
}

function signed(text: string, value: number, flags: string, minus = false): string {
  if (minus) return `-${text}`;
  if (text.startsWith('-') || value < 0) return text;
  return flags.includes('+') ? `+${text}` : flags.includes(' ') ? ` ${text}` : text;
}

/** Go writes at least two digits. */
function exponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}
