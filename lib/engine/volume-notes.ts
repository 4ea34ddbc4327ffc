/** What `explain` says of volumes beside the program: what the kernel makes of it is known only when it has been tried. */
import { probeMachine } from '../native/probe.js';
import type { ContainerConfig } from './config.js';
import type { MountConfig } from './mounts.js';

/** Lines, one for each thing to know. */
export async function noteVolumes({ mounts, userns }: ContainerConfig): Promise<string[]> {
  if (userns === 'host') return [];
  const notes = await Promise.all(mounts.map(noteOwnership));
  return notes.filter((note) => note !== undefined);
}

async function noteOwnership({ source, target }: MountConfig): Promise<string | undefined> {
  if (source === undefined) return undefined;
  const tried = (await probeMachine(source)).get('idmap.data');
  if (tried?.errno === undefined) return undefined;
  return (
    `${target}: the file system of ${source} cannot be idmapped (${tried.errno}): owners that are not the container's show as ` +
    'nobody, and the container has the rights that everybody has there'
  );
}
