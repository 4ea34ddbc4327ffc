/** Runs a teardown: what is to go may belong to users of a container, over whom only its own root has rights. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { CaissonError } from '../errors.js';
import type { Binding, NativeError } from '../native/binding.js';
import { initPath, loadNative } from '../native/load.js';
import { errorRecord } from './monitor-connection.js';
import { admit, findOwnUsers, type OwnUsers } from './own-users.js';

/** @returns what could not be removed. */
export async function undo(teardown: Uint8Array): Promise<NativeError | null> {
  const native = loadNative();
  const users = await findOwnUsers();
  return users === undefined ? undoHere(native, teardown) : undoAsTheirs(users, teardown);
}

function undoHere(native: Binding, teardown: Uint8Array): Promise<NativeError | null> {
  return new Promise((resolve) => native.undo(teardown, resolve));
}

/** In a user namespace with the ids that the container had (cpp/init/undo.cpp). */
async function undoAsTheirs(users: OwnUsers, teardown: Uint8Array): Promise<NativeError | null> {
  const child = spawn(initPath(), ['undo', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: {},
  });
  const channel = child.stdio[3] as Socket;
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) => {
      const message = 'caisson-init cannot be run';
      reject(new CaissonError('ERR_NATIVE_LOAD', message, { stage: 'teardown', cause }));
    });
  });
  failed.catch(() => undefined);
  const ended = once(child, 'exit');
  try {
    await Promise.race([admit(channel, users), failed]);
    const chunks: Buffer[] = [];
    channel.on('data', (chunk: Buffer) => chunks.push(chunk));
    const closed = once(channel, 'close');
    channel.resume();
    channel.end(teardown);
    await Promise.race([closed, failed]);
    const answer = Buffer.concat(chunks);
    if (answer.length === 0) {
      const message = 'caisson-init ended before it had removed everything';
      throw new CaissonError('ERR_REMOVE_FAILED', message, { stage: 'teardown' });
    }
    const record = errorRecord(answer);
    return record.errno === 0 ? null : record;
  } finally {
    channel.destroy();
    await Promise.race([ended, failed]).catch(() => undefined);
  }
}
