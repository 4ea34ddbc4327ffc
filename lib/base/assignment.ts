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

/** The variables after these assignments: each replaces that of its name, and `NAME` alone takes it away. The order stays. */
export function withAssignments(
  variables: readonly string[],
  assignments: readonly string[],
): readonly string[] {
  const all = new Map<string, string>();
  for (const text of [...variables, ...assignments]) {
    const { name, value } = splitAssignment(text);
    if (value === undefined) all.delete(name);
    else all.set(name, text);
  }
  return [...all.values()];
}
