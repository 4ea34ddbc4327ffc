/** `Engine.images`. */
import { type Images, imagesOf } from './images/images.js';
import type { Store } from './store/store.js';

export function imagesIn(store: Store): Images {
  return imagesOf(async () => {
    const { imagesContext } = await import('./images/images-context.js');
    return imagesContext(store);
  });
}
