/**
 * What is published of containers, beside what the kernel has of it: `<runRoot>/published/<container>/ports`. The teardown of a
 * container removes it as it releases a claim. The ports of those that run are published again from it when another
 * program has flushed the firewall's table.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord } from '../../base/check.js';
import { isErrno } from '../../base/errno.js';
import { isLongId } from '../../base/ids.js';
import { parseJson, readIfThere, storageError } from '../../base/storage.js';
import type { Claim } from '../../program/network-plan.js';
import type { Endpoint, PublishedPort } from '../firewall/port-bindings.js';
import { releaseAddress } from './addresses.js';
import type { NetworkStore } from './network-store.js';

export interface Publication {
  readonly addresses: Endpoint;
  readonly ports: readonly PublishedPort[];
}

/** @param id long id of the container. */
export function publicationFile({ published }: NetworkStore, id: string): Claim {
  const directory = join(published, id);
  return { file: join(directory, 'ports'), directory };
}

/** @throws ERR_STORAGE */
export function writePublication(
  networks: NetworkStore,
  id: string,
  publication: Publication,
): void {
  const { file, directory } = publicationFile(networks, id);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(file, JSON.stringify(publication), { mode: 0o600 });
  } catch (error) {
    removePublication(networks, id);
    throw storageError(file, error);
  }
}

export function removePublication(networks: NetworkStore, id: string): void {
  releaseAddress(publicationFile(networks, id));
}

/** Long ids of the containers that have one, or have begun to. */
export function publishers({ published }: NetworkStore): string[] {
  try {
    return readdirSync(published).filter(isLongId);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Undefined: it has just been removed, or was not completed. */
export function readPublication(networks: NetworkStore, id: string): Publication | undefined {
  const value = parseJson(readIfThere(publicationFile(networks, id).file) ?? '');
  const publication = isRecord(value) ? (value as Partial<Publication>) : {};
  const { addresses, ports } = publication;
  return isRecord(addresses) && Array.isArray(ports) ? { addresses, ports } : undefined;
}
