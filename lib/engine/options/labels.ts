/** Labels, however they were given, and what is asked of them. */
import { splitAssignment } from '../../base/assignment.js';
import type { RunOptions } from './options.js';

export type Labels = Readonly<Record<string, string>>;

/** As a record. */
export function labelsOf(labels: RunOptions['labels']): Labels {
  if (labels === undefined) return {};
  if (!Array.isArray(labels)) return labels as Labels;
  return Object.fromEntries(
    (labels as readonly string[]).map((text) => {
      const { name: key, value = '' } = splitAssignment(text);
      return [key, value];
    }),
  );
}

/** All of them: each is `key` or `key=value`. */
export function hasLabels(wanted: readonly string[], labels: Labels): boolean {
  return wanted.every((text) => hasLabel(text, labels));
}

export function hasLabel(text: string, labels: Labels): boolean {
  const { name: key, value } = splitAssignment(text);
  return Object.hasOwn(labels, key) && (value === undefined || labels[key] === value);
}
