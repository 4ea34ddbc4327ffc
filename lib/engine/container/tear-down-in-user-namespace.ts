/** The teardown of a rootless container. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { CaissonError } from '../../base/errors.js';
import type { NativeError } from '../../native/binding.js';
import { initPath } from '../../native/load.js';
import { writeIdMaps } from '../../host/write-id-maps.js';
import { ERROR_SIZE, errorRecord } from '../supervisor/supervisor-connection.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';

/** In a user namespace with the ids that the container had (cpp/init/tear_down.cpp). */
export async function tearDownInUserNamespace(
  users: UserNamespaceIds,
  teardown: Uint8Array,
): Promise<NativeError | null> {
  const child = spawn(initPath(), ['teardown', '3'], {
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
    await Promise.race([writeIdMaps(channel, users), failed]);
    const chunks: Buffer[] = [];
    channel.on('data', (chunk: Buffer) => chunks.push(chunk));
    const closed = once(channel, 'close');
    channel.resume();
    channel.end(teardown);
    await Promise.race([closed, failed]);
    const answer = Buffer.concat(chunks);
    if (answer.length < ERROR_SIZE) {
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
