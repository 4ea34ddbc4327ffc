/** Device numbers as the kernel encodes them: 12 bits major, 20 bits minor (linux/kdev_t.h, new_encode_dev). */

export interface DeviceNumbers {
  readonly major: number;
  readonly minor: number;
}

export function encodeDevice({ major, minor }: DeviceNumbers): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

export function decodeDevice(number: number): DeviceNumbers {
  return { major: (number >>> 8) & 0xfff, minor: (number & 0xff) | ((number >>> 12) & 0xfff00) };
}
