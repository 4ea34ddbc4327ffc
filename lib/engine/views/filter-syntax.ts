/** `--filter key=value`: the form; what the keys mean is for those that filter. */
import { splitAssignment } from '../../base/assignment.js';
import { CaissonError } from '../../base/errors.js';

/** By key: every value, in order. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/** Checks a value of its key; missing: any will do. */
export type Rules = Readonly<Record<string, ((value: string) => string | undefined) | undefined>>;

export const any = (): undefined => undefined;

export function oneOf(values: readonly string[]): (value: string) => string | undefined {
  return (value) => (values.includes(value) ? undefined : `is not one of ${values.join(', ')}`);
}

/** Throws before anything else is done. */
export function parseFilterList(list: readonly string[], rules: Rules): Filters {
  const filters = new Map<string, string[]>();
  for (const text of list) {
    if (text === '') continue;
    const { name, value: given } = splitAssignment(text);
    if (given === undefined)
      throw new CaissonError(
        'ERR_INVALID_OPTION',
        `bad format of filter ${JSON.stringify(text)} (expected name=value)`,
        { stage: 'config', path: 'filter' },
      );
    const key = name.trim().toLowerCase();
    const value = given.trim();
    // `label!=x` is Docker's spelling of the key `label!`.
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    if (rule === undefined)
      throw new CaissonError('ERR_INVALID_OPTION', `invalid filter '${key}'`, {
        stage: 'config',
        path: 'filter',
        hint: `one of ${Object.keys(rules).join(', ')}`,
      });
    const why = rule(value);
    if (why !== undefined) throw refuseFilter(key, value, why);
    const values = filters.get(key);
    if (values === undefined) filters.set(key, [value]);
    else values.push(value);
  }
  return filters;
}

export function refuseFilter(key: string, value: string, why: string): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', `invalid filter '${key}=${value}': it ${why}`, {
    stage: 'config',
    path: 'filter',
  });
}
