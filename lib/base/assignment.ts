/** `NAME=value` and `NAME`: environment variables, labels, options of options. */

export interface Assignment {
  readonly name: string;
  /** Everything after the first equals sign; undefined without one. */
  readonly value: string | undefined;
}

export function splitAssignment(text: string): Assignment {
  const equals = text.indexOf('=');
  return equals < 0
    ? { name: text, value: undefined }
    : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}
