/** Characters for property tests. */
import fc from 'fast-check';

/**
 * One code point, of those that are halves of surrogate pairs too. fast-check's own (`unit: 'binary'`) is the same, but fills a
 * table of all of them when a test is defined, which takes half a second.
 */
export const anyCodePoint: fc.Arbitrary<string> = fc.integer({ min: 0, max: 0x10_ffff }).map(
  (code) => String.fromCodePoint(code),
  (text) => {
    const code = typeof text === 'string' ? text.codePointAt(0) : undefined;
    if (code === undefined || String.fromCodePoint(code) !== text)
      throw new Error('this is not one code point');
    return code;
  },
);
