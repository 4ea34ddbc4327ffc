/** What a container has read from block devices and written to them. */
import { type CgroupDirectory, readIn } from '../../cgroup/cgroup-paths.js';
import { directoryWith } from './cgroup-numbers.js';

/** Transfers of block devices since the container was started. */
export interface BlkioCounters {
  /** Bytes. */
  readonly readBytes: number;
  /** Bytes. */
  readonly writeBytes: number;
  /** Requests. */
  readonly readOps: number;
  /** Requests. */
  readonly writeOps: number;
}

/** Of all block devices together, and of each. */
export interface BlkioStats extends BlkioCounters {
  /** By device; one that was not used is missing. */
  readonly devices: readonly (BlkioCounters & {
    /** Of the device number. */
    readonly major: number;
    /** Of the device number. */
    readonly minor: number;
  })[];
}

type Counters = { -readonly [K in keyof BlkioCounters]: number };

const NO_IO: Readonly<Counters> = { readBytes: 0, writeBytes: 0, readOps: 0, writeOps: 0 };

export async function blkioStats(
  directories: readonly CgroupDirectory[],
): Promise<BlkioStats | undefined> {
  const directory = directoryWith(directories, 'blkio', 'io');
  if (directory === undefined) return undefined;
  const byDevice = directory.version === 1 ? await v1Io(directory) : await v2Io(directory);
  if (byDevice === undefined) return undefined;
  const total: Counters = { ...NO_IO };
  const devices = [...byDevice].map(([number, counters]) => {
    const [major = 0, minor = 0] = number.split(':').map(Number);
    for (const key of Object.keys(NO_IO) as (keyof Counters)[]) total[key] += counters[key];
    return { major, minor, ...counters };
  });
  return { ...total, devices };
}

/** The throttling policy sees every device; bfq's numbers are for kernels where it counts nothing. */
const V1_POLICIES = ['blkio.throttle', 'blkio.bfq', 'blkio'];

async function v1Io({ dir }: CgroupDirectory): Promise<Map<string, Counters> | undefined> {
  let found: Map<string, Counters> | undefined;
  for (const policy of V1_POLICIES) {
    const [bytes, ops] = await Promise.all([
      recursive(dir, `${policy}.io_service_bytes`),
      recursive(dir, `${policy}.io_serviced`),
    ]);
    if (bytes === undefined && ops === undefined) continue;
    found = new Map<string, Counters>();
    addV1(found, bytes, 'readBytes', 'writeBytes');
    addV1(found, ops, 'readOps', 'writeOps');
    if (found.size > 0) break;
  }
  return found;
}

/** With the cgroups below it, where the kernel adds them up. */
async function recursive(dir: string, file: string): Promise<string | undefined> {
  return (await readIn(dir, `${file}_recursive`)) ?? readIn(dir, file);
}

function addV1(
  into: Map<string, Counters>,
  text: string | undefined,
  read: keyof Counters,
  write: keyof Counters,
): void {
  for (const [, number = '', kind, value] of (text ?? '').matchAll(
    /^(\d+:\d+) (Read|Write) (\d+)$/gm,
  )) {
    let counters = into.get(number);
    if (counters === undefined) into.set(number, (counters = { ...NO_IO }));
    counters[kind === 'Read' ? read : write] = Number(value);
  }
}

async function v2Io({ dir }: CgroupDirectory): Promise<Map<string, Counters> | undefined> {
  const text = await readIn(dir, 'io.stat');
  if (text === undefined) return undefined;
  const found = new Map<string, Counters>();
  for (const line of text.split('\n')) {
    // A device that was never used has its number and nothing else.
    const match = /^(\d+:\d+) (.*)$/.exec(line);
    if (match === null) continue;
    const values = new Map(
      (match[2] ?? '').split(' ').map((pair) => {
        const [key = '', value] = pair.split('=');
        return [key, Number(value)] as const;
      }),
    );
    found.set(match[1] ?? '', {
      readBytes: values.get('rbytes') ?? 0,
      writeBytes: values.get('wbytes') ?? 0,
      readOps: values.get('rios') ?? 0,
      writeOps: values.get('wios') ?? 0,
    });
  }
  return found;
}
