/**
 * What is fuzzed: every parser in TypeScript of bytes that a container, or another user, can write. A target throws
 * where a parser has thrown what it may not, or has let through what its callers do not expect.
 */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

import { CaissonError } from '../../lib/base/errors.js';
import { parseAccounts } from '../../lib/engine/start/accounts.js';
import {
  type Accounts,
  findPasswd,
  MAX_ID,
  parseGroups,
  resolveUser,
} from '../../lib/engine/options/user.js';
import { decodeEvent } from '../../lib/engine/store/event-log.js';
import { LineSplitter } from '../../lib/base/lines.js';
import { decodeLine } from '../../lib/engine/logs/log-entry.js';
import {
  errorRecord,
  SupervisorConnection,
} from '../../lib/engine/supervisor/supervisor-connection.js';
import { isAlive, startTime } from '../../lib/host/owner.js';
import { parseNetDev } from '../../lib/engine/views/network-stats.js';
import { parseHealth, parseState } from '../../lib/engine/store/parse-stored.js';
import { parsePs } from '../../lib/engine/views/top.js';
import { failureOf } from '../../lib/engine/start/failure.js';
import type { Program } from '../../lib/program/instructions.js';
import { drawTimeline, makeTimeline } from '../../lib/program/timeline.js';
import { IMAGE_TARGETS } from './image-targets.js';
import { allowed, JSON_WORDS, type Target, texts } from './target.js';

const TIME = '2026-01-31T23:59:59.000000000Z';
const isId = (id: number) => Number.isInteger(id) && id >= 0 && id <= MAX_ID;

const logLine: Target = {
  name: 'log-line',
  seeds: texts(
    `{"log":"a line\\n","stream":"stdout","time":"${TIME}"}`,
    `{"log":"\\ufffd","base64":"/w==","stream":"stderr","time":"${TIME}"}`,
    `{"log":"torn{"log":"whole\\n","stream":"stdout","time":"${TIME}"}`,
  ),
  words: JSON_WORDS,
  run(line) {
    const decoded = decodeLine(line);
    if (decoded === undefined) return;
    const { stream, time, bytes, partial } = decoded.entry;
    assert(stream === 'stdout' || stream === 'stderr');
    assert(typeof time === 'string' && typeof partial === 'boolean');
    // No escape makes three bytes of fewer than two.
    assert(Buffer.isBuffer(bytes) && bytes.length <= 3 * line.length);
  },
};

const eventLine: Target = {
  name: 'event-line',
  seeds: texts(
    '{"type":"container","action":"die","id":"ab","attributes":{"name":"n","exitCode":"0"},"timeNano":"1769903999000000000"}',
    '{"type":"container","act{"type":"container","action":"start","id":"c","attributes":{},"timeNano":"1"}',
  ),
  words: [...JSON_WORDS, ...texts('"attributes":', '"timeNano":"', '{"type":"container"')],
  run(line) {
    const event = decodeEvent(line);
    if (event === undefined) return;
    assert(
      event.type === 'container' &&
        typeof event.action === 'string' &&
        typeof event.id === 'string',
    );
    assert(BigInt(event.timeNano) >= 0n);
    assert(!Array.isArray(event.attributes));
    for (const value of Object.values(event.attributes)) assert(typeof value === 'string');
  },
};

const accounts: Target = {
  name: 'account-files',
  seeds: texts(
    'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:,,,:/home/user:/bin/sh\n',
    '\x19\0\0\0root:x:0:0:root:/root:/b/sh\n\x0b\0\0\0audio:x:2:\n',
    'root:x:0:\naudio:x:29:user,other\n#c:x:1:\n\nusers:x:4294967294: user \n',
  ),
  words: texts(
    ':',
    '\n',
    ',',
    '-1',
    '4294967295',
    '0x10',
    '1e3',
    '٣',
    ' ',
    'user',
    '\0',
    '\r',
    '99999999999',
  ),
  run(bytes) {
    const content = bytes.toString('utf8');
    findPasswd(content, ({ name, uid, gid }) => {
      assert(name !== '' && !name.includes(':') && !name.includes('\n') && isId(uid) && isId(gid));
      return false;
    });
    for (const { name, gid } of parseGroups(content)) assert(name !== '' && isId(gid));
    const files: Accounts[] = [{ passwd: content, group: content }];
    try {
      files.push(parseAccounts(bytes));
    } catch (error) {
      allowed(error);
    }
    for (const accounts of files) {
      try {
        const user = resolveUser('user', ['audio'], accounts);
        assert([user.uid, user.gid, ...user.additionalGids].every(isId));
        assert(user.home.startsWith('/'));
      } catch (error) {
        allowed(error);
      }
    }
  },
};

const state: Target = {
  name: 'state-files',
  seeds: texts(
    `{"status":"running","pid":42,"startTime":"7","supervisor":"1 2 b","idBase":1000,"startedAt":"${TIME}","finishedAt":"","exitCode":0,"oomKilled":false,"error":"","restartCount":0,"stopped":false,"logLost":0}`,
    `{"status":"healthy","failingStreak":1,"log":[{"start":"${TIME}","end":"${TIME}","exitCode":1,"output":"no"}]}`,
  ),
  words: [...JSON_WORDS, ...texts('"status":', '"pid":', '"log":[', '"exited"', '"healthy"')],
  run(bytes) {
    const text = bytes.toString('utf8');
    const read = parseState(text);
    if (read !== undefined) {
      for (const key of ['pid', 'idBase', 'exitCode', 'restartCount', 'logLost'] as const)
        assert(Number.isSafeInteger(read[key]), key);
      for (const key of ['startTime', 'supervisor', 'startedAt', 'finishedAt', 'error'] as const)
        assert(typeof read[key] === 'string', key);
      for (const key of ['oomKilled', 'stopped'] as const)
        assert(typeof read[key] === 'boolean', key);
    }
    for (const { start, end, exitCode, output } of parseHealth(text)?.log ?? [])
      assert(
        [start, end, output].every((one) => typeof one === 'string') && Number.isInteger(exitCode),
      );
  },
};

const owner: Target = {
  name: 'owner-links',
  seeds: texts(
    '1 2 00000000-0000-0000-0000-000000000000',
    '42 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20',
  ),
  words: texts(' ', ')', '(', '-1', '0', '/', '../', '\0', '1e3', 'NaN'),
  run(bytes) {
    const text = bytes.toString('utf8');
    assert(!isAlive(text), 'of another boot');
    assert(!startTime(text).includes(' '));
  },
};

/** A reply of a supervisor: docs/lifecycle.md. */
function reply(type: number, ...payload: readonly number[]): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(payload.length);
  head[4] = type;
  return Buffer.concat([head, Buffer.from(payload)]);
}

const zeros = (count: number): number[] => Array<number>(count).fill(0);

const replies: Target = {
  name: 'supervisor-replies',
  seeds: [
    Buffer.concat([reply(1, 3), reply(2, 1, 104, 105), reply(3, 2), reply(4, 1, 0, 0, 0)]),
    Buffer.concat([reply(5, ...zeros(528 + 16)), reply(7, 0, 0, 0, 0), reply(8, 9, 0, 0, 0)]),
    reply(6, ...zeros(13 + 24)),
  ],
  words: [
    reply(2),
    reply(5),
    reply(6),
    reply(1),
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0, 0, 1, 0, 2]),
  ],
  run(bytes) {
    let destroyed = false;
    const socket = Object.assign(new EventEmitter(), {
      destroy: () => {
        destroyed = true;
      },
    });
    let seen = 0;
    const connection = new SupervisorConnection(socket as unknown as Socket, {
      attached: ({ stdin, terminal }) =>
        assert(typeof stdin === 'boolean' && typeof terminal === 'boolean'),
      output: (stream, { length }) => {
        assert(stream === 1 || stream === 2);
        seen += length;
      },
      outputEnd: (stream) => assert(stream === 1 || stream === 2),
      started: (pid) => assert(Number.isInteger(pid)),
      failed: (error) => assert(typeof error.call === 'string' && !error.object.includes('\0')),
      exited: ({ code, signal }) => assert(Number.isInteger(code) && Number.isInteger(signal)),
      done: (errno) => assert(Number.isInteger(errno)),
      waiting: (pid) => assert(Number.isInteger(pid)),
    });
    const middle = (bytes[0] ?? 0) % (bytes.length + 1);
    for (const piece of [bytes.subarray(0, middle), bytes.subarray(middle)])
      if (!destroyed) socket.emit('data', piece);
    assert(seen <= bytes.length);
    socket.emit('close');
    assert(connection.closed);
  },
};

const PROGRAM: Program = {
  slots: 4,
  host: [{ op: 'file.open', slots: [0], texts: ['/a'], numbers: [0] }, { op: 'clone' }],
  container: [
    { op: 'host.name', texts: ['name'] },
    { op: 'exec', texts: ['a\0', '', ''] },
  ],
  teardown: [],
} as unknown as Program;

const shared: Target = {
  name: 'shared-page',
  seeds: [
    Buffer.concat([
      Buffer.from([1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from('execve'),
      Buffer.alloc(26),
      Buffer.from('/bin/sh'),
      Buffer.alloc(473),
      Buffer.alloc(48, 65),
    ]),
    Buffer.alloc(528 + 48, 0),
    Buffer.alloc(528 + 48, 255),
  ],
  words: [Buffer.from('\0'), Buffer.from([0xff, 0xff, 0xff, 0xff]), Buffer.alloc(8, 0x7f)],
  run(bytes) {
    const whole = Buffer.alloc(528 + 48);
    bytes.copy(whole);
    const error = failureOf(errorRecord(whole), PROGRAM, ['sh']);
    assert(error instanceof CaissonError && error.message.length < 4096);
    // As the addon gives them: whole numbers of 64 bits.
    const timestamps = Float64Array.from({ length: 6 }, (_, i) =>
      Number(whole.readBigUInt64LE(528 + 8 * i)),
    );
    assert(drawTimeline(makeTimeline(PROGRAM, timestamps)).length < 4096);
  },
};

const processes: Target = {
  name: 'process-table',
  seeds: texts(
    'UID PID PPID C STIME TTY TIME CMD\nroot 1 0 0 10:00 ? 00:00:00 sh -c x\nroot - - 0 10:00 - 00:00:00 -\n',
    '  PID COMMAND\n    1 a\n\n    7 b c\n',
  ),
  words: texts('\n', ' ', 'PID', '-', '1', '\t', '\0', '\u2028', '\r'),
  run(bytes) {
    try {
      const { titles, processes: rows } = parsePs(bytes.toString('utf8'), new Set([1, 7]));
      for (const row of rows) assert(row.length <= titles.length);
    } catch (error) {
      allowed(error);
    }
  },
};

const networks: Target = {
  name: 'network-table',
  seeds: texts(
    'Inter-| Receive | Transmit\n subcommand |bytes\n    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n__proto__: 5 6 7 8 0 0 0 0 9 10 11 12 0 0 0 0\n',
  ),
  words: texts('\n', ':', ' ', '1', 'x', '__proto__', 'constructor'),
  run(bytes) {
    const found = parseNetDev(bytes.toString('utf8'));
    assert.equal(Object.getPrototypeOf(found), Object.prototype);
    for (const stats of Object.values(found))
      for (const number of Object.values(stats) as unknown[])
        assert(typeof number === 'number' && number >= 0, String(number));
  },
};

/** A limit that small inputs reach. */
const MAX_LINE = 64;

const lines: Target = {
  name: 'lines',
  seeds: [
    Buffer.from('one\ntwo\r\n\rthree\r\n\n'),
    Buffer.from('\u2028é\n€'),
    Buffer.alloc(70, 'x'),
  ],
  words: texts('\n', '\r', '\r\n', '\u2028', '\0'),
  run(bytes) {
    const cut = (bytes[0] ?? 0) % (bytes.length + 1);
    const splitter = new LineSplitter(MAX_LINE);
    const found: string[] = [];
    let failed = false;
    try {
      for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)])
        for (const line of splitter.push(piece)) found.push(line);
      const last = splitter.end();
      if (last !== undefined) found.push(last);
    } catch (error) {
      allowed(error);
      failed = true;
    }
    // The same of the whole, byte by byte: latin1 has a character for each.
    const parts = bytes.toString('latin1').split('\n');
    const rest = parts.pop() ?? '';
    assert.equal(
      failed,
      [...parts, rest].some(({ length }) => length > MAX_LINE),
    );
    const whole = parts.map((part) => part.replace(/\r$/, ''));
    if (rest !== '') whole.push(rest);
    const expected = whole.map((part) => Buffer.from(part, 'latin1').toString('utf8'));
    assert.deepEqual(found, failed ? expected.slice(0, found.length) : expected);
  },
};

export const TARGETS: readonly Target[] = [
  logLine,
  eventLine,
  accounts,
  state,
  owner,
  replies,
  shared,
  processes,
  networks,
  lines,
  ...IMAGE_TARGETS,
];
