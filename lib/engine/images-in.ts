/** `Engine.images`, with what it takes from higher floors. */
import { type Images, imagesOf } from './images/images.js';
import type { Store } from './store/store.js';

export function imagesIn(store: Store): Images {
  return imagesOf(async () => {
    const { imagesContext } = await import('./images/images-context.js');
    return imagesContext(store, async (path) => {
      const { removeTree } = await import('./container/remove-tree.js');
      await removeTree(path);
    });
  });
}
