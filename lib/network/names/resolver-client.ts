/**
 * Tells the resolver of containers that run: a change of their names, or a container that is there already. A start
 * tells it by the step `resolver.register`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { errnoName, isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { initPath } from '../../native/load.js';
import type { NetlinkOptions, UserNetwork } from '../netlink/request.js';
import type { NamePolicy } from './name-policy.js';
import { encodeEnd, encodePolicy, encodeReportRequest } from './registration.js';
import { decodeReport, type ResolverReport } from './resolver-report.js';

/** Milliseconds, as the step has it. */
const PATIENCE = 10_000;
/** Milliseconds between two attempts to reach a resolver that is about to end, or to begin. */
const PAUSE = 2;
/** A resolver that ends closes what it has not answered. */
const ABSENT = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'] as const;

/**
 * Sends a message to the resolver of this directory, and waits until it is in effect. If there is no resolver, it is
 * started, and takes over what an earlier one that was killed has left.
 *
 * @param message of `encodeRegistration` or `encodeEnd`.
 * @throws ERR_NETWORK_FAILED; `errno` is ENOENT for a container that is not registered, ESRCH for one that has ended,
 *   EADDRINUSE if a program of the container listens on port 53.
 */
export async function tellResolver(
  directory: string,
  message: Uint8Array,
  { userNetwork }: NetlinkOptions = {},
): Promise<void> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const bytes = await ask(directory, message, ({ length }) => length >= 4).catch(
      (error: unknown) => {
        if (!isErrno(error, ...ABSENT)) throw failed(directory, 'it cannot be reached', error);
      },
    );
    const answer = bytes?.readInt32LE(0);
    if (answer === 0) return;
    if (answer !== undefined)
      throw failed(directory, 'it refused a registration', { code: errnoName(answer) });
    if (performance.now() > end) throw failed(directory, 'it does not answer');
    if (userNetwork === undefined) await startResolver(directory);
    else await startByAgent(userNetwork, directory);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/**
 * Replaces the policy of a container that runs: names are judged by the new one from then on, and addresses that were
 * opened before stay open as far as it allows them. The sets are changed at once.
 *
 * @param policy undefined: all names are resolved.
 * @throws ERR_NETWORK_FAILED as tellResolver; `errno` is also ENOENT if a set is missing.
 */
export function updateNamePolicy(
  directory: string,
  id: string,
  policy: NamePolicy | undefined,
  options: NetlinkOptions = {},
): Promise<void> {
  return tellResolver(directory, encodePolicy(id, policy), options);
}

/**
 * What a container with a policy has been refused, and which addresses were opened for it; until 30 s after its end,
 * or until its registration is ended.
 *
 * @returns undefined if there is no resolver, or none that knows the container. None is started.
 * @throws ERR_NETWORK_FAILED
 */
export async function resolverReport(
  directory: string,
  id: string,
): Promise<ResolverReport | undefined> {
  try {
    const bytes = await ask(directory, encodeReportRequest(id), isWholeReport);
    const answer = bytes.readInt32LE(0);
    if (answer === 0) return decodeReport(bytes.subarray(8));
    if (errnoName(answer) === 'ENOENT') return undefined;
    throw failed(directory, 'it refused a report', { code: errnoName(answer) });
  } catch (error) {
    if (isErrno(error, ...ABSENT)) return undefined;
    throw error instanceof CaissonError ? error : failed(directory, 'it cannot be reached', error);
  }
}

/** An errno, and, if that is 0, the size of what follows. */
function isWholeReport(answer: Buffer): boolean {
  if (answer.length < 4 || answer.readInt32LE(0) !== 0) return answer.length >= 4;
  return answer.length >= 8 && answer.length >= 8 + answer.readUInt32LE(4);
}

/**
 * Starts the resolver again if it was killed: its directory is then still there, with the registrations.
 *
 * @throws ERR_NETWORK_FAILED
 */
export async function restartResolver(
  directory: string,
  options: NetlinkOptions = {},
): Promise<void> {
  if (!existsSync(directory)) return;
  try {
    await tellResolver(directory, encodeEnd(NO_CONTAINER), options);
  } catch (error) {
    if (!(error instanceof CaissonError) || error.errno !== 'ENOENT') throw error;
  }
}

/** An id that no container has. */
const NO_CONTAINER = '0'.repeat(64);

/** @returns the answer. @throws what the socket does, ECONNRESET if it is closed without an answer. */
async function ask(
  directory: string,
  message: Uint8Array,
  isWhole: (answer: Buffer) => boolean,
): Promise<Buffer> {
  const path = `${directory}/socket`;
  if (Buffer.byteLength(path) <= LONGEST_PATH) return exchange(path, message, isWhole);
  const handle = await open(directory);
  try {
    return await exchange(`/proc/self/fd/${handle.fd}/socket`, message, isWhole);
  } finally {
    await handle.close();
  }
}

/** Bytes of a socket's path, unix(7). Through a descriptor of its directory a longer one fits. */
const LONGEST_PATH = 107;

function exchange(
  path: string,
  message: Uint8Array,
  isWhole: (answer: Buffer) => boolean,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect(path);
    socket.setTimeout(PATIENCE, () => {
      socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }));
    });
    socket.on('error', reject);
    socket.on('data', (part) => {
      parts.push(part);
      const answer = Buffer.concat(parts);
      if (!isWhole(answer)) return;
      socket.destroy();
      resolve(answer);
    });
    socket.on('close', () => {
      reject(Object.assign(new Error('closed without an answer'), { code: 'ECONNRESET' }));
    });
    socket.write(message);
  });
}

async function startByAgent(userNetwork: UserNetwork, directory: string): Promise<void> {
  const errno = await userNetwork.startResolver(directory);
  if (errno !== 0) throw failed(directory, 'it cannot be started', { code: errnoName(errno) });
}

/** Until one listens: this one, or another that was started at the same time. */
async function startResolver(directory: string): Promise<void> {
  const init = await open(initPath());
  try {
    const child = spawn(initPath(), ['resolver', '3', directory], {
      argv0: 'caisson-resolver',
      stdio: ['ignore', 'ignore', 'ignore', init.fd],
      env: {},
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0)
      throw failed(directory, 'it cannot be started', {
        code: code === null ? undefined : errnoName(code),
      });
  } finally {
    await init.close();
  }
}

function failed(directory: string, why: string, cause?: unknown): CaissonError {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code;
  return new CaissonError(
    'ERR_NETWORK_FAILED',
    `the resolver of ${directory}: ${why}${errno === undefined ? '' : `: ${errno}`}`,
    { stage: 'host', path: directory, errno, cause: cause instanceof Error ? cause : undefined },
  );
}
