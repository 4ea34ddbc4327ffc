/** The history of an image, from its configuration (OCI image spec, config.md). */
import { isRecord } from '../../base/check.js';
import type { HistoryEntry } from '../../image/write-image-config.js';

/** The first step first. What is not a text is left out. */
export function imageSteps(config: unknown): HistoryEntry[] {
  const { history } = (isRecord(config) ? config : {}) as { readonly history?: unknown };
  if (!Array.isArray(history)) return [];
  return history.map((value: unknown) => {
    const step = (isRecord(value) ? value : {}) as Readonly<Record<string, unknown>>;
    const text = (field: string): string => {
      const content = step[field];
      return typeof content === 'string' ? content : '';
    };
    return {
      created: text('created'),
      createdBy: text('created_by'),
      author: text('author'),
      comment: text('comment'),
      emptyLayer: step['empty_layer'] === true,
    };
  });
}
