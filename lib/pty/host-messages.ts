/** What this process and the host of a terminal (cpp/init/terminal_host.cpp) tell each other: two numbers of 32 bits. */

export const SAID = { started: 1, failed: 2, exited: 3, killed: 4 } as const;
export const ASKED = { signal: 1, resize: 2 } as const;

const SIZE = 8;

export function encodeMessage(kind: number, value: number): Buffer {
  const bytes = Buffer.alloc(SIZE);
  bytes.writeUInt32LE(kind, 0);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

/** Calls `take` with each message, in whatever pieces they arrive. */
export function decodeMessages(
  take: (kind: number, value: number) => void,
): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= SIZE; rest = rest.subarray(SIZE))
      take(rest.readUInt32LE(0), rest.readUInt32LE(4));
  };
}

/** Of a terminal: 16 bits each. */
export function encodeSize(cols: number, rows: number): number {
  return ((cols << 16) | rows) >>> 0;
}
