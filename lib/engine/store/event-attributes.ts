import { imageName } from './image-of.js';
import type { StoredConfig } from './stored.js';

/** What all events of a container say of it, beside its name. */
export function eventAttributes({ image, options }: StoredConfig): Record<string, string> {
  return { image: imageName(image), ...(options.labels as Record<string, string> | undefined) };
}
