/** Docker's `--storage-opt`. */
import { splitAssignment } from '../../base/assignment.js';
import { invalid, isRecord, stringList, unsupported } from '../../base/check.js';
import type { RunOptions } from './options.js';
import { parseSize, type Size } from '../../base/units.js';

/** Bytes. Below it a file system is mostly its own tables. */
const MIN_SIZE = 8 * 2 ** 20;
/** The largest file on ext4 (4 KiB blocks). */
const MAX_SIZE = 2 ** 44 - 4096;

/** The `size` of Docker's `--storage-opt`, in bytes. */
export function normalizeStorageOpt(value: RunOptions['storageOpt']): number | undefined {
  if (value === undefined) return undefined;
  let size: number | undefined;
  for (const [name, text] of Object.entries(storageOptions(value))) {
    if (name.toLowerCase() !== 'size')
      throw unsupported('storageOpt', name, 'is not an option of the storage', 'size');
    size = parseSize('storageOpt', text);
    if (size < MIN_SIZE)
      throw invalid('storageOpt', text, 'is too small for a file system', 'at least 8m');
    if (size > MAX_SIZE) throw invalid('storageOpt', text, 'is too large', 'less than 16t');
  }
  return size;
}

/** As a record, as Docker's API has it. */
export function storageOptions(
  value: NonNullable<RunOptions['storageOpt']>,
): Readonly<Record<string, Size>> {
  if (Array.isArray(value)) {
    return Object.fromEntries(
      stringList('storageOpt', value).map((text) => {
        const { name, value: setting } = splitAssignment(text);
        if (setting === undefined)
          throw invalid('storageOpt', text, 'is not NAME=value', 'size=10g');
        return [name, setting];
      }),
    );
  }
  if (!isRecord(value)) throw invalid('storageOpt', value, 'is neither a record nor an array');
  const fields = Object.entries(value as Readonly<Record<string, Size | undefined>>);
  return Object.fromEntries(
    fields.filter((field): field is [string, Size] => field[1] !== undefined),
  );
}
