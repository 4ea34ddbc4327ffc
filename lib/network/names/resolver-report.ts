/** What the resolver has refused and opened for a container: cpp/resolver/name_records.h writes it. */
import { addressText } from '../../base/ip-address.js';

export interface RefusedName {
  /** In lower case. `*`: further names, for which there was no room. */
  readonly host: string;
  readonly count: number;
  readonly first: Date;
}

export interface OpenedName {
  readonly address: string;
  readonly host: string;
}

export interface ResolverReport {
  readonly denied: readonly RefusedName[];
  /** Also those whose time is over, as long as there is room for them. An address can have several names. */
  readonly opened: readonly OpenedName[];
}

/** @throws RangeError if it ends too early */
export function decodeReport(bytes: Buffer): ResolverReport {
  let at = 0;
  const take = (size: number): Buffer => {
    if (at + size > bytes.length) throw new RangeError('a report of the resolver ends too early');
    return bytes.subarray(at, (at += size));
  };
  const text = () => take(take(1).readUInt8()).toString('latin1');
  const list = <T>(read: () => T): T[] =>
    Array.from({ length: take(2).readUInt16LE() }, () => read());
  const denied = list(() => ({
    host: text(),
    count: Number(take(8).readBigUInt64LE()),
    first: new Date(Number(take(8).readBigUInt64LE())),
  }));
  const opened = list(() => ({
    address: addressText(take(take(1).readUInt8() === 4 ? 4 : 16)),
    host: text(),
  }));
  return { denied, opened };
}
