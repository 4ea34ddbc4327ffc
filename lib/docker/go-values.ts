/** Marks on objects: the Go type that they stand for, because Docker's templates treat structs and maps differently. */

const STRUCTS = new WeakMap<object, string>();
const STRING_MAPS = new WeakSet();

/**
 * A missing field of a struct is an error, not `<no value>`. Functions among its values are methods. `type` is for
 * error texts.
 */
export function markStruct<T extends object>(type: string, value: T): T {
  STRUCTS.set(value, type);
  return value;
}

/** Go's map[string]string: `index` of a missing key is the empty string. */
export function markStringMap<T extends object>(value: T): T {
  STRING_MAPS.add(value);
  return value;
}

export function isStringMap(value: object): boolean {
  return STRING_MAPS.has(value);
}

export function structType(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? STRUCTS.get(value) : undefined;
}
