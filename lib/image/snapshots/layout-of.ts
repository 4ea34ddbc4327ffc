/** The store of images of a data root. */
import { join } from 'node:path';
import { LayoutPaths } from '../content/layout-paths.js';

const layouts = new Map<string, LayoutPaths>();

export function layoutOf(dataRoot: string): LayoutPaths {
  let paths = layouts.get(dataRoot);
  if (paths === undefined)
    layouts.set(dataRoot, (paths = new LayoutPaths(join(dataRoot, 'images'))));
  return paths;
}
