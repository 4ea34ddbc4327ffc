/** `/proc/self/mountinfo`, read as proc(5) describes it. */

export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  /** The directory of the file system that the mount shows. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly fsType: string;
  readonly superOptions: readonly string[];
}

/** Lines that are not understood are skipped. */
export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    // Optional fields of any number stand between the mount options and the lone dash.
    const [before, after] = line.split(' - ', 2);
    const [id, parent, , root, mountPoint, options] = (before ?? '').split(' ');
    const [fsType, , superOptions] = (after ?? '').split(' ');
    if (root === undefined || mountPoint === undefined || options === undefined) continue;
    if (fsType === undefined || fsType === '') continue;
    entries.push({
      id: Number(id),
      parent: Number(parent),
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      options: options.split(','),
      fsType,
      superOptions: (superOptions ?? '').split(','),
    });
  }
  return entries;
}

/**
 * The mounts of some file systems, without those that a later mount covers: one at the same place, or over
 * a directory above. A later mount that is an ancestor in the mount tree covers nothing.
 */
export function visibleMounts(
  entries: readonly MountEntry[],
  fsTypes: readonly string[],
): MountEntry[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const ancestors = (entry: MountEntry): Set<number> => {
    const ids = new Set<number>();
    let current: MountEntry | undefined = entry;
    while (current !== undefined && !ids.has(current.id)) {
      ids.add(current.id);
      current = byId.get(current.parent);
    }
    return ids;
  };
  return entries.filter((entry, index) => {
    if (!fsTypes.includes(entry.fsType)) return false;
    const above = ancestors(entry);
    return !entries
      .slice(index + 1)
      .some((later) => contains(later.mountPoint, entry.mountPoint) && !above.has(later.id));
  });
}

function contains(directory: string, path: string): boolean {
  return path === directory || directory === '/' || path.startsWith(`${directory}/`);
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
