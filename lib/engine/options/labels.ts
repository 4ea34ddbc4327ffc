/** Labels, however they were given, and what is asked of them. */
import type { RunOptions } from './options.js';

export type Labels = Readonly<Record<string, string>>;

/** As a record. */
export function labelsOf(labels: RunOptions['labels']): Labels {
  if (labels === undefined) return {};
  if (!Array.isArray(labels)) return labels as Labels;
  return Object.fromEntries(
    (labels as readonly string[]).map((text) => {
      const equals = text.indexOf('=');
      return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

/** All of them: each is `key` or `key=value`. */
export function hasLabels(wanted: readonly string[], labels: Labels): boolean {
  return wanted.every((text) => hasLabel(text, labels));
}

export function hasLabel(text: string, labels: Labels): boolean {
  const equals = text.indexOf('=');
  const key = equals < 0 ? text : text.slice(0, equals);
  return Object.hasOwn(labels, key) && (equals < 0 || labels[key] === text.slice(equals + 1));
}
