/**
 * A start that is under way: a link beside the monitor's socket whose text is who starts (owner.ts). That one may be
 * killed over it, and the lock is free then; the monitor lives on, and has not written yet that it does.
 */
import { readdir, readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, ownerName } from './owner.js';
import type { Store } from './store.js';

/** Milliseconds between looks. */
const LOOK = 10;
/** So often nobody is seen before nobody is believed to be: a process has another name before its exec. */
const LOOKS = 3;
/** Milliseconds: whatever a start hangs on, somebody who looks at it is not to. */
const PATIENCE = 30_000;

/** By who holds the container's lock. */
export async function whileStarting(
  store: Store,
  id: string,
  start: () => Promise<void>,
): Promise<void> {
  const path = store.startMark(id);
  // It is for a rare case: without room for it the start is as good.
  await symlink(ownerName(), path).catch(() => undefined);
  try {
    await start();
  } finally {
    await unlink(path).catch(() => undefined);
  }
}

/** Waits until what a dead process began has come to be, or not. By who holds the container's lock. */
export async function settleStart(store: Store, id: string): Promise<void> {
  const path = store.startMark(id);
  const owner = await readlink(path).catch(() => undefined);
  if (owner === undefined) return;
  const end = performance.now() + PATIENCE;
  for (let looks = 0; !isAlive(owner) && looks < LOOKS && performance.now() < end;) {
    if (store.isKept(store.state(id).state)) break;
    looks = (await hasMonitor(id)) ? 0 : looks + 1;
    await sleep(LOOK);
  }
  await unlink(path).catch(() => undefined);
}

/** By the arguments of processes, of which the id is the last (cpp/launcher/launcher.cpp). */
async function hasMonitor(id: string): Promise<boolean> {
  const wanted = Buffer.from(`\0${id}\0`);
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`).catch(() => Buffer.alloc(0));
    if (command.includes('caisson-monitor\0') && command.includes(wanted)) return true;
  }
  return false;
}
