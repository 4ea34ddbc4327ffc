/** Labels, however they were given, and what is asked of them. */
import { splitAssignment } from '../../base/assignment.js';
import { invalid, isRecordOrList, plainString, stringList } from '../../base/check.js';
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

const NO_LABELS: Labels = Object.freeze({});

/** @throws ERR_INVALID_OPTION */
export function normalizeLabels(value: RunOptions['labels']): Readonly<Record<string, string>> {
  if (value === undefined) return NO_LABELS;
  if (!isRecordOrList(value)) throw invalid('labels', value, 'is neither a record nor an array');
  const pairs: readonly (readonly [string, string])[] = Array.isArray(value)
    ? stringList('labels', value).map((text) => {
        const { name: key, value: label = '' } = splitAssignment(text);
        return [key, label];
      })
    : Object.entries(value as Readonly<Record<string, string>>);
  for (const [key, text] of pairs) {
    if (key === '') throw invalid('labels', `=${text}`, 'has no name');
    plainString('labels', key);
    plainString('labels', text);
  }
  return Object.fromEntries(pairs);
}
