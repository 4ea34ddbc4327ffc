/**
 * Limits on block devices. v1 writes one device and kind at a time (`blkio.throttle.*`), v2 one device with
 * all kinds (`io.max`). Weights depend on the scheduler that is loaded: bfq names its files itself, older
 * kernels' cfq has `blkio.weight`, and v2 has `io.weight` besides, from the cost model.
 */
import type { LinuxBlockIO, LinuxThrottleDevice } from '../../oci/runtime-spec.js';
import type { Sink, Sinks } from './sinks.js';
import { missingFile } from './missing.js';
import { invalidOption } from './option-errors.js';

const throttles = [
  ['throttleReadBpsDevice', 'blkio.throttle.read_bps_device', 'rbps'],
  ['throttleWriteBpsDevice', 'blkio.throttle.write_bps_device', 'wbps'],
  ['throttleReadIOPSDevice', 'blkio.throttle.read_iops_device', 'riops'],
  ['throttleWriteIOPSDevice', 'blkio.throttle.write_iops_device', 'wiops'],
] as const;

export function writeBlockIO(sinks: Sinks, blockIO: LinuxBlockIO): void {
  writeWeights(sinks, blockIO);
  // v2: all limits of one device are one line.
  const lines = new Map<string, { option: string; limits: string[] }>();
  for (const [key, file, word] of throttles) {
    for (const device of blockIO[key] ?? []) {
      const option = `blockIO.${key}`;
      const sink = sinks.need(option, 'blkio', 'io');
      const number = deviceNumber(option, device);
      if (!Number.isSafeInteger(device.rate) || device.rate < 0) {
        throw invalidOption(option, `${device.rate} is not a rate`);
      }
      if (sink.version === 1) {
        sink.put(option, 'blkio', file, `${number} ${device.rate}`);
      } else {
        const line = lines.get(number) ?? { option, limits: [] };
        line.limits.push(`${word}=${device.rate === 0 ? 'max' : device.rate}`);
        lines.set(number, line);
      }
    }
  }
  for (const [number, { option, limits }] of lines) {
    sinks.need(option, 'blkio', 'io').put(option, 'io', 'io.max', `${number} ${limits.join(' ')}`);
  }
}

function writeWeights(sinks: Sinks, blockIO: LinuxBlockIO): void {
  const { weight, leafWeight, weightDevice = [] } = blockIO;
  if (weight !== undefined && weight !== 0) {
    writeWeight(sinks.need('blockIO.weight', 'blkio', 'io'), 'blockIO.weight', weight);
  }
  if (leafWeight !== undefined && leafWeight !== 0) {
    writeLeafWeight(sinks, 'blockIO.leafWeight', 'blkio.leaf_weight', String(leafWeight));
  }
  for (const device of weightDevice) {
    const number = deviceNumber('blockIO.weightDevice', device);
    if (device.weight !== undefined && device.weight !== 0) {
      const sink = sinks.need('blockIO.weightDevice', 'blkio', 'io');
      writeWeight(sink, 'blockIO.weightDevice', device.weight, number);
    }
    if (device.leafWeight !== undefined && device.leafWeight !== 0) {
      const value = `${number} ${device.leafWeight}`;
      writeLeafWeight(sinks, 'blockIO.weightDevice', 'blkio.leaf_weight_device', value);
    }
  }
}

/** @param weight 10 to 1000, as in the runtime spec. */
function writeWeight(sink: Sink, option: string, weight: number, device?: string): void {
  if (!Number.isInteger(weight) || weight < 10 || weight > 1000) {
    throw invalidOption(option, `${weight} is not between 10 and 1000`);
  }
  if (sink.version === 2) {
    // bfq takes the number unchanged; the cost model has 1 to 10000.
    const bfq = sink.offers('io.bfq.weight');
    const value = bfq ? weight : 1 + Math.floor(((weight - 10) * 9999) / 990);
    const subject = device ?? 'default';
    sink.put(option, 'io', bfq ? 'io.bfq.weight' : 'io.weight', `${subject} ${value}`);
    return;
  }
  const suffix = device === undefined ? '' : '_device';
  const file = [`blkio.bfq.weight${suffix}`, `blkio.weight${suffix}`].find((name) =>
    sink.offers(name),
  );
  if (file === undefined) throw missingFile(option, 'blkio', `blkio.bfq.weight${suffix}`);
  sink.put(option, 'blkio', file, device === undefined ? weight : `${device} ${weight}`);
}

/** Only cfq had leaf weights, up to Linux 4.20. */
function writeLeafWeight(sinks: Sinks, option: string, file: string, value: string): void {
  const sink = sinks.need(option, 'blkio', 'io');
  if (sink.version === 2) throw missingFile(option, 'io', file);
  sink.put(option, 'blkio', file, value);
}

function deviceNumber(
  option: string,
  { major, minor }: Pick<LinuxThrottleDevice, 'major' | 'minor'>,
): string {
  if (!Number.isInteger(major) || !Number.isInteger(minor) || major < 0 || minor < 0) {
    throw invalidOption(option, `${major}:${minor} is not a device number`);
  }
  return `${major}:${minor}`;
}
