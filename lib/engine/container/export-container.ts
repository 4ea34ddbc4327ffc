/** The files of a container as one archive. */
import type { Readable } from 'node:stream';
import { startView } from '../../archive/view-process.js';
import type { ContainerContext } from './container-context.js';
import { streamOfView } from './container-view.js';

/** A tar stream, which fails with what has gone wrong. Destroying it ends the work. */
export function exportContainer(context: ContainerContext, id: string): Readable {
  return streamOfView(context, id, (view, signal) =>
    Promise.resolve(startView(view, { kind: 'export' }, signal)),
  );
}
