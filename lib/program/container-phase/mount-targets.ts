/** Targets of mounts, and how paths of the container are reached while its mounts are made. */

/** What `mount.attach` makes when its target is missing: a directory, a file, or the same as the root of the tree. */
export const TARGET = { directory: 0, file: 1, asTree: 3 } as const;

/** What the base of `mount.mask` and `mount.readonly` is, which decides whether a path may be missing there. */
export const BASE = { tree: 0, kernel: 1, volume: 2 } as const;

/**
 * The mounts at /proc, /sys and /dev by the slots that hold them. What is below one of them is reached through its
 * descriptor and never by its name, which another container may rename where both have the same directory as their
 * root.
 */
export type KernelMounts = ReadonlyMap<string, { readonly slot: number; readonly base: number }>;

/** The slot, and the path below it, by which a path of the container is reached. */
export type Below = (path: string) => readonly [slot: number, path: string];

export function below(kernel: KernelMounts, root: number): Below {
  return (path) => {
    for (const [place, { slot }] of kernel)
      if (path.startsWith(`${place}/`)) return [slot, path.slice(place.length + 1)];
    return [root, path];
  };
}
