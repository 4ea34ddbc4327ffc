/** Which host ids user namespaces have: uid_map of user_namespaces(7). */
import { readdirSync } from 'node:fs';
import { readIfThere } from '../base/storage.js';

export interface MappedIds {
  readonly first: number;
  readonly count: number;
}

/** Of all processes that are in another user namespace than this one. */
export function mappedIds(): MappedIds[] {
  const own = mapOf('self');
  const maps = new Set(
    readdirSync('/proc').flatMap((name) => (/^\d/.test(name) ? mapOf(name) : [])),
  );
  maps.delete(own);
  return [...maps]
    .flatMap((map) => map.trim().split('\n'))
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([, first, count]) =>
      first === undefined || count === undefined ? [] : { first, count },
    );
}

/** Empty for a process that has ended, or whose namespace has no map yet. */
function mapOf(process: string): string {
  try {
    return readIfThere(`/proc/${process}/uid_map`) ?? '';
  } catch {
    return ''; // ESRCH
  }
}
