/** What a supervisor is told of its container, as bytes. The other side: cpp/program/supervisor_config.h. */
import type { LaunchSlots } from '../../program/slots.js';
import type { Healthcheck } from '../options/healthcheck.js';
import type { RestartPolicy, RestartPolicyName } from '../options/restart-policy.js';

const MAGIC = 0x314d_5343;
const HEADER_SIZE = 128;
const TEXTS_AT = 80;

const FLAG = {
  terminal: 1,
  openStdin: 2,
  stdinOnce: 4,
  autoRemove: 8,
  noLog: 16,
  gated: 32,
  ownUserNamespace: 64,
  bound: 128,
} as const;

export const POLICY_NUMBERS: Readonly<Record<RestartPolicyName, number>> = {
  no: 0,
  'on-failure': 1,
  always: 2,
  'unless-stopped': 3,
};

/** Times in milliseconds, none of them 0 but for the start period. */
export interface SupervisoredCheck extends Omit<Healthcheck, 'test'> {
  /** Its standard output and error. */
  readonly slots: Pick<LaunchSlots, 'stdout' | 'stderr'>;
  readonly program: Uint8Array;
}

export interface SupervisorConfig {
  /** Long id. */
  readonly id: string;
  readonly name: string;
  readonly terminal: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly autoRemove: boolean;
  /** An ordinary user's: it makes a user namespace, and waits until its ids are mapped. */
  readonly ownUserNamespace: boolean;
  /** It ends with its first client. */
  readonly bound: boolean;
  /** It waits for `SupervisorConnection.begin`. */
  readonly gated: boolean;
  /** Undefined: no log is kept. */
  readonly log: { readonly maxSize: number; readonly maxFile: number } | undefined;
  readonly restart: RestartPolicy;
  readonly stopSignal: number;
  /** Seconds; -1: for ever. */
  readonly stopTimeout: number;
  /** First host id of its users; 0 with the host's. */
  readonly idBase: number;
  /** What the first client is attached to. */
  readonly attach: number;
  readonly slots: LaunchSlots;
  readonly directory: string;
  readonly names: string;
  readonly sockets: string;
  readonly events: string;
  /** What its events say beside its name. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly bootId: string;
  readonly program: Uint8Array;
  readonly teardown: Uint8Array;
  readonly check: SupervisoredCheck | undefined;
}

export function encodeSupervisorConfig(config: SupervisorConfig): Buffer {
  const { slots, check } = config;
  const header = Buffer.alloc(HEADER_SIZE);
  const flags =
    (config.terminal ? FLAG.terminal : 0) |
    (config.openStdin ? FLAG.openStdin : 0) |
    (config.stdinOnce ? FLAG.stdinOnce : 0) |
    (config.autoRemove ? FLAG.autoRemove : 0) |
    (config.log === undefined ? FLAG.noLog : 0) |
    (config.ownUserNamespace ? FLAG.ownUserNamespace : 0) |
    (config.bound ? FLAG.bound : 0) |
    (config.gated ? FLAG.gated : 0);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(POLICY_NUMBERS[config.restart.name], 12);
  header.writeInt32LE(config.restart.maximumRetryCount, 16);
  header.writeInt32LE(config.stopSignal, 20);
  header.writeInt32LE(config.stopTimeout, 24);
  header.writeUInt32LE(config.idBase, 28);
  header.writeBigUInt64LE(BigInt(config.log?.maxSize ?? 0), 32);
  header.writeUInt32LE(config.log?.maxFile ?? 1, 40);
  header.writeUInt32LE(config.attach, 44);
  [slots.stdin, slots.stdout, slots.stderr, slots.oom].forEach((slot, index) => {
    header.writeInt16LE(slot ?? -1, 48 + 2 * index);
  });

  if (check !== undefined) {
    const { interval, timeout, startPeriod, startInterval, retries } = check;
    [interval, timeout, startPeriod, startInterval, retries].forEach((number, index) => {
      header.writeUInt32LE(number, 56 + 4 * index);
    });
    header.writeInt16LE(check.slots.stdout ?? -1, 76);
    header.writeInt16LE(check.slots.stderr ?? -1, 78);
  }

  const attributes = JSON.stringify(config.attributes).slice(1, -1);
  const parts: Uint8Array[] = [header];
  let end = HEADER_SIZE;
  [
    config.id,
    config.directory,
    config.names,
    config.name,
    config.sockets,
    config.events,
    attributes,
    config.bootId,
    config.program,
    config.teardown,
    check?.program ?? '',
  ].forEach((text, index) => {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const record = Buffer.alloc(8 + Math.ceil((bytes.length + 1) / 8) * 8);
    record.writeUInt32LE(bytes.length, 0);
    record.set(bytes, 8);
    header.writeUInt32LE(end, TEXTS_AT + 4 * index);
    parts.push(record);
    end += record.length;
  });
  header.writeUInt32LE(end, 4);
  return Buffer.concat(parts);
}
