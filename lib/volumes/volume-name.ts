/** Names of volumes: Docker's grammar for the driver `local`. */
import { invalid } from '../base/check.js';

/** NAME_MAX of Linux's file systems: a volume is a directory of that name. */
const LONGEST = 255;

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

export function isVolumeName(text: string): boolean {
  return NAME.test(text) && text.length <= LONGEST;
}

/** @throws ERR_INVALID_OPTION */
export function checkVolumeName(option: string, value: unknown): string {
  if (typeof value === 'string' && isVolumeName(value)) return value;
  if (typeof value === 'string' && value.length === 1)
    throw invalid(option, value, 'is too short for the name of a volume', 'at least two characters'); // prettier-ignore
  throw invalid(
    option,
    value,
    'is not the name of a volume',
    'only [a-zA-Z0-9][a-zA-Z0-9_.-] is allowed; a directory of the host has an absolute path',
  );
}
