/** What a supervisor is told of its container, as bytes. The other side: cpp/program/supervisor_config.h. */
import type { LaunchSlots } from '../../program/slots.js';
import type { Healthcheck } from '../options/healthcheck.js';
import type { RestartPolicy, RestartPolicyName } from '../options/restart-policy.js';

export const SUPERVISOR_MAGIC = 0x314d_5343;
export const SUPERVISOR_HEADER_SIZE = 136;

/** Where the fields of the header are: `SupervisorHeader`. */
export const SUPERVISOR_HEADER = {
  magic: 0,
  size: 4,
  flags: 8,
  policy: 12,
  retries: 16,
  stopSignal: 20,
  stopTimeout: 24,
  idBase: 28,
  logSize: 32,
  logFiles: 40,
  attach: 44,
  slots: 48,
  checkInterval: 56,
  checkTimeout: 60,
  checkStartPeriod: 64,
  checkStartInterval: 68,
  checkRetries: 72,
  checkSlots: 76,
  text: 80,
  joinedPid: 128,
  holderPid: 132,
} as const;

/** `SupervisorText`: the texts behind the header, in the order of their offsets in it. */
export const SUPERVISOR_TEXTS = [
  'id',
  'directory',
  'names',
  'name',
  'sockets',
  'events',
  'attributes',
  'networks',
  'bootId',
  'program',
  'teardown',
  'check',
] as const;

export const SUPERVISOR_FLAGS = {
  terminal: 1,
  openStdin: 2,
  stdinOnce: 4,
  autoRemove: 8,
  noLog: 16,
  gated: 32,
  ownUserNamespace: 64,
  bound: 128,
  sharedNetwork: 256,
} as const;

/** `RestartPolicy`. */
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

/** Of a network, or of a volume: with `+` when it is mounted, with `-` when it was. */
export interface Attachment {
  /** Long id of a network; `+` or `-`, and the name of a volume. */
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface SupervisorConfig {
  /** Long id. */
  readonly id: string;
  readonly name: string;
  readonly terminal: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly autoRemove: boolean;
  /** Rootless: it makes a user namespace, and waits until its ids are mapped. */
  readonly ownUserNamespace: boolean;
  /** Rootless: the first process of the container whose user namespace it joins in place of making one; 0: none. */
  readonly joinedPid: number;
  /** Rootless: the holder of the user's network, below whose user namespace its own is; 0: none. */
  readonly holderPid: number;
  /** It ends with its first client. */
  readonly bound: boolean;
  /** It waits for `SupervisorConnection.begin`. */
  readonly gated: boolean;
  /** Undefined: no log is written. */
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
  /** The networks and volumes whose events tell that it has them. */
  readonly attachments: readonly Attachment[];
  readonly bootId: string;
  readonly program: Uint8Array;
  readonly teardown: Uint8Array;
  readonly check: SupervisoredCheck | undefined;
}

export function encodeSupervisorConfig(config: SupervisorConfig): Buffer {
  const { slots, check } = config;
  const header = Buffer.alloc(SUPERVISOR_HEADER_SIZE);
  const at = SUPERVISOR_HEADER;
  header.writeUInt32LE(SUPERVISOR_MAGIC, at.magic);
  header.writeUInt32LE(flagsOf(config), at.flags);
  header.writeUInt32LE(POLICY_NUMBERS[config.restart.name], at.policy);
  header.writeInt32LE(config.restart.maximumRetryCount, at.retries);
  header.writeInt32LE(config.stopSignal, at.stopSignal);
  header.writeInt32LE(config.stopTimeout, at.stopTimeout);
  header.writeUInt32LE(config.idBase, at.idBase);
  header.writeBigUInt64LE(BigInt(config.log?.maxSize ?? 0), at.logSize);
  header.writeUInt32LE(config.log?.maxFile ?? 1, at.logFiles);
  header.writeUInt32LE(config.attach, at.attach);
  header.writeUInt32LE(config.joinedPid, at.joinedPid);
  header.writeUInt32LE(config.holderPid, at.holderPid);
  [slots.stdin, slots.stdout, slots.stderr, slots.oom].forEach((slot, index) => {
    header.writeInt16LE(slot ?? -1, at.slots + 2 * index);
  });
  if (check !== undefined) {
    header.writeUInt32LE(check.interval, at.checkInterval);
    header.writeUInt32LE(check.timeout, at.checkTimeout);
    header.writeUInt32LE(check.startPeriod, at.checkStartPeriod);
    header.writeUInt32LE(check.startInterval, at.checkStartInterval);
    header.writeUInt32LE(check.retries, at.checkRetries);
    header.writeInt16LE(check.slots.stdout ?? -1, at.checkSlots);
    header.writeInt16LE(check.slots.stderr ?? -1, at.checkSlots + 2);
  }

  const texts: Readonly<Record<(typeof SUPERVISOR_TEXTS)[number], string | Uint8Array>> = {
    ...config,
    attributes: membersOf(config.attributes),
    networks: config.attachments
      .map(({ id, attributes }) => `${id} ${membersOf(attributes)}\n`)
      .join(''),
    check: check?.program ?? '',
  };
  const parts: Uint8Array[] = [header];
  let end = SUPERVISOR_HEADER_SIZE;
  SUPERVISOR_TEXTS.forEach((name, index) => {
    const text = texts[name];
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const record = Buffer.alloc(8 + Math.ceil((bytes.length + 1) / 8) * 8);
    record.writeUInt32LE(bytes.length, 0);
    record.set(bytes, 8);
    header.writeUInt32LE(end, at.text + 4 * index);
    parts.push(record);
    end += record.length;
  });
  header.writeUInt32LE(end, at.size);
  return Buffer.concat(parts);
}

/** As JSON, without braces. */
function membersOf(attributes: Readonly<Record<string, string>>): string {
  return JSON.stringify(attributes).slice(1, -1);
}

function flagsOf(config: SupervisorConfig): number {
  const flag = SUPERVISOR_FLAGS;
  return (
    (config.terminal ? flag.terminal : 0) |
    (config.openStdin ? flag.openStdin : 0) |
    (config.stdinOnce ? flag.stdinOnce : 0) |
    (config.autoRemove ? flag.autoRemove : 0) |
    (config.log === undefined ? flag.noLog : 0) |
    (config.ownUserNamespace ? flag.ownUserNamespace : 0) |
    (config.bound ? flag.bound : 0) |
    (config.holderPid !== 0 ? flag.sharedNetwork : 0) |
    (config.gated ? flag.gated : 0)
  );
}
