/** All containers that are kept, as they are: read without a pause, and without loading what starts one. */
import { readFileSync } from 'node:fs';
import { CaissonError, type ErrorCode } from '../errors.js';
import type { ContainerHome } from './container.js';
import { freezerLook } from './freezer.js';
import { isSettled, noSuchContainer } from './store.js';
import type { ContainerInfo, StoredConfig } from './stored.js';

/** Flags with __SO_ACCEPTCON, type, state, inode, and the path that a monitor binds (cpp/monitor/monitor.cpp). */
const LISTENING = /: \w+ \w+ 00010000 0001 01 +\d+ \/proc\/self\/fd\/\d+\/([0-9a-f]{64})$/gm;

const LEFT_OUT: ReadonlySet<ErrorCode> = new Set(['ERR_NO_SUCH_CONTAINER', 'ERR_DAMAGED_STATE']);

/** Newest first. What is removed meanwhile, or cannot be read, is left out. */
export async function listContainers(home: ContainerHome): Promise<ContainerInfo[]> {
  const { store } = home;
  const ids = store.ids();
  const infos: ContainerInfo[] = [];
  if (ids.length === 0) return infos;
  const isPaused = freezerLook(await home.cgroups());
  const listening = monitorsThatListen();
  for (const id of ids) {
    try {
      infos.push(lookAt(home, id, isPaused, listening.has(id)) ?? (await mended(home, id)));
    } catch (error) {
      if (!(error instanceof CaissonError && LEFT_OUT.has(error.code))) throw error;
    }
  }
  return infos.sort((a, b) => (a.config.created < b.config.created ? 1 : -1));
}

/**
 * Ids of the containers whose monitor has its socket open, and so is alive: one look for all of them. Of others it
 * is not known: the socket of a monitor in another network namespace is not to be seen from here (unix(7)).
 */
function monitorsThatListen(): ReadonlySet<string> {
  const ids = new Set<string>();
  let table = '';
  try {
    table = readFileSync('/proc/net/unix', 'utf8');
  } catch {
    return ids;
  }
  for (const [, id] of table.matchAll(LISTENING)) if (id !== undefined) ids.add(id);
  return ids;
}

/** Undefined when its state cannot be believed. */
function lookAt(
  { store }: ContainerHome,
  id: string,
  isPaused: (config: StoredConfig) => boolean,
  listens: boolean,
): ContainerInfo | undefined {
  const found = store.state(id);
  const config = store.config(id);
  if (config === undefined) throw noSuchContainer(id);
  if (!isSettled(store, found, listens)) return undefined;
  const { state } = found;
  const status = state.status === 'running' && isPaused(config) ? 'paused' : state.status;
  return store.info(config, state, status);
}

async function mended(home: ContainerHome, id: string): Promise<ContainerInfo> {
  const { Container } = await import('./container.js');
  return new Container(home, id).inspect();
}
