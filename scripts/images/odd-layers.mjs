// Layers with every kind of file, and every way to write it into an archive.
import { EPOCH } from './layout.mjs';
import { archive, paxHeader, paxSparse, tarEntry } from './tar-entry.mjs';

const directory = (name, attributes) =>
  tarEntry({ name: `${name}/`, type: '5', mode: 0o755, mtime: EPOCH, ...attributes });
const file = (name, data, attributes) => tarEntry({ name, data, mtime: EPOCH, ...attributes });
const link = (name, target, attributes) =>
  tarEntry({ name, type: '2', link: target, mode: 0o777, mtime: EPOCH, ...attributes });
const hard = (name, target, attributes) =>
  tarEntry({ name, type: '1', link: target, mtime: EPOCH, ...attributes });
const xattr = (name, value) => ({ [`SCHILY.xattr.${name}`]: value });

/** A layer below, of which the last one deletes, hides and replaces. */
export function below() {
  return archive(
    directory('below'),
    file('below/deleted', 'deleted\n'),
    file('below/kept', 'kept\n'),
    directory('below/deleted.d'),
    file('below/deleted.d/file', 'deleted with its directory\n'),
    directory('below/opaque', { mode: 0o750, uid: 5 }),
    file('below/opaque/hidden', 'hidden\n'),
    directory('below/opaque/hidden.d'),
    file('below/opaque/hidden.d/file', 'hidden\n'),
    file('below/becomes-directory', 'a file\n'),
    directory('below/becomes-file'),
    file('below/becomes-file/file', 'goes\n'),
    link('below/becomes-directory-2', 'kept'),
    file('below/again', 'first\n', { mode: 0o600 }),
    // The layers above use these directories without containing them: owner and mode stay.
    directory('implied', { mode: 0o711, uid: 1000, gid: 29 }),
    directory('implied/inner', { mode: 0o2770, uid: 1, gid: 29, mtime: 1e9 }),
  );
}

/** Kinds, attributes, names, formats. */
export function files() {
  return archive(
    directory('odd', { mode: 0o755 }),
    ...kinds(),
    ...attributes(),
    ...times(),
    ...sparse(),
    ...names(),
    ...formats(),
    // Directories that are nowhere: root's, 0755.
    file('nowhere/a/b/file', 'in implied directories\n'),
    file('implied/file', 'in an implied directory\n'),
    file('implied/inner/file', 'in an implied directory\n'),
  );
}

function kinds() {
  return [
    directory('odd/bin'),
    file('odd/entry', '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 }),
    file('odd/bin/in-path', '#!/bin/sh\necho in-path\n', { mode: 0o755 }),
    directory('odd/work', { uid: 1000, gid: 1000 }),
    directory('odd/volume', { mode: 0o770, uid: 1000, gid: 29 }),
    file('odd/volume/content', 'for the volume\n', { mode: 0o640, uid: 1000, gid: 29 }),
    link('odd/volume/link', 'content'),
    file('odd/empty', ''),
    file('odd/block', 'b'.repeat(512)),
    file('odd/block-and-one', 'b'.repeat(513)),
    file('odd/binary', Buffer.from(Array.from({ length: 1024 }, (_, at) => at & 255))),
    file('odd/hard-1', 'three names\n', { mode: 0o604, uid: 7, gid: 8 }),
    hard('odd/hard-2', 'odd/hard-1'),
    directory('odd/deep'),
    hard('odd/deep/hard-3', './odd/hard-1'),
    link('odd/link', 'hard-1', { uid: 9, gid: 10 }),
    link('odd/link-to-directory', 'deep'),
    link('odd/dangling', 'not/there'),
    link('odd/absolute', '/etc/passwd'),
    link('odd/outside', '../../../../etc/passwd'),
    link('odd/loop', 'loop'),
    hard('odd/hard-link-to-link', 'odd/link'),
    tarEntry({ name: 'odd/fifo', type: '6', mode: 0o620, mtime: EPOCH }),
    tarEntry({ name: 'odd/null', type: '3', mode: 0o666, major: 1, minor: 3, mtime: EPOCH }),
    tarEntry({
      name: 'odd/character',
      type: '3',
      mode: 0o600,
      gid: 5,
      major: 136,
      minor: 1000,
      mtime: EPOCH,
    }),
    tarEntry({ name: 'odd/disk', type: '4', mode: 0o660, major: 7, minor: 200, mtime: EPOCH }),
  ];
}

function attributes() {
  // Version 2 of struct vfs_ns_cap_data: effective; permitted CAP_NET_RAW (13) and CAP_NET_BIND_SERVICE (10).
  const capability = Buffer.alloc(20);
  capability.writeUInt32LE(0x02000001, 0);
  capability.writeUInt32LE((1 << 13) | (1 << 10), 4);
  // struct posix_acl_xattr: version 2, then tag, permissions, id.
  const acl = (...entries) => {
    const value = Buffer.alloc(4 + entries.length * 8);
    value.writeUInt32LE(2, 0);
    entries.forEach(([tag, permissions, id], at) => {
      value.writeUInt16LE(tag, 4 + at * 8);
      value.writeUInt16LE(permissions, 6 + at * 8);
      value.writeUInt32LE(id ?? 0xffffffff, 8 + at * 8);
    });
    return value;
  };
  // user::rw-, user:1000:r--, group::r--, group:29:rw-, mask::rw-, other::---
  const accessAcl = acl([1, 6], [2, 4, 1000], [4, 4], [8, 6, 29], [0x10, 6], [0x20, 0]);
  const defaultAcl = acl([1, 7], [2, 5, 1000], [4, 5], [0x10, 5], [0x20, 0]);
  return [
    file('odd/setuid', '#!/bin/sh\n', { mode: 0o4755 }),
    file('odd/setgid', '#!/bin/sh\n', { mode: 0o2755, gid: 29 }),
    file('odd/setuid-of-user', '#!/bin/sh\n', { mode: 0o6711, uid: 1000, gid: 1000 }),
    directory('odd/sticky', { mode: 0o1777 }),
    directory('odd/setgid.d', { mode: 0o2775, gid: 29 }),
    file('odd/setgid.d/file', 'has its own group\n', { gid: 30 }),
    file('odd/no-mode', 'nothing is allowed\n', { mode: 0 }),
    directory('odd/read-only', { mode: 0o555 }),
    file('odd/read-only/file', 'below a directory without w\n', { mode: 0o444 }),
    file('odd/large-ids', '', { uid: 65533, gid: 65534 }),
    file('odd/xattrs', 'has attributes\n', {
      pax: {
        ...xattr('user.text', 'a text'),
        ...xattr('user.binary', Buffer.from([0, 10, 61, 255, 0])),
        ...xattr('user.empty', ''),
      },
    }),
    directory('odd/xattrs.d', { pax: xattr('user.text', 'of a directory') }),
    file('odd/capable', '#!/bin/sh\n', {
      mode: 0o755,
      pax: xattr('security.capability', capability),
    }),
    file('odd/acl', 'has an ACL\n', {
      mode: 0o660,
      pax: xattr('system.posix_acl_access', accessAcl),
    }),
    directory('odd/acl.d', { mode: 0o750, pax: xattr('system.posix_acl_default', defaultAcl) }),
    file('odd/acl.d/file', 'did not inherit it\n', { mode: 0o604 }),
  ];
}

function times() {
  const at = (name, mtime) => file(`odd/times/${name}`, '', { mtime: 0, pax: { mtime } });
  return [
    directory('odd/times', { pax: { mtime: '1234567890.987654321' } }),
    at('nanoseconds', '1234567890.123456789'),
    at('tenths', '1234567890.5'),
    at('before-1970', '-1.25'),
    at('after-2038', '2147483648'),
    at('after-2106', '4294967297.000000001'),
    file('odd/times/zero', '', { mtime: 0 }),
    file('odd/times/binary', '', { mtime: 2 ** 33 + 1, format: 'gnu' }),
    link('odd/times/link', 'zero', { pax: { mtime: '1000000000.000000007' } }),
    tarEntry({ name: 'odd/times/fifo', type: '6', pax: { mtime: '1000000000.000000008' } }),
  ];
}

function sparse() {
  const piece = (letter, length = 4096) => Buffer.alloc(length, letter);
  const many = Array.from({ length: 40 }, (_, at) => [at * 65536, piece(`${at % 10}`)]);
  return [
    directory('odd/sparse'),
    file('odd/sparse/old', '', {
      sparse: [
        [65536, piece('a')],
        [1048576, piece('b', 100)],
      ],
      realSize: 8 * 2 ** 20,
    }),
    // More pieces than a header has places, and than one block more.
    file('odd/sparse/pieces', '', { sparse: many, realSize: 3 * 2 ** 20 }),
    file('odd/sparse/hole', '', { sparse: [], realSize: 2 ** 20 }),
    paxSparse({
      name: 'odd/sparse/pax',
      mtime: EPOCH,
      sparse: [
        [0, piece('x', 10)],
        [131072, piece('y')],
      ],
      realSize: 262144,
    }),
  ];
}

function names() {
  const raw = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
  const component = (letter) => letter.repeat(200);
  const deep = ['l', 'm', 'n', 'o', 'p', 'q'].map(component);
  const directories = deep.map((_, at) =>
    directory(`odd/names/${deep.slice(0, at + 1).join('/')}`),
  );
  return [
    directory('odd/names'),
    file(`odd/names/${'n'.repeat(255)}`, 'the longest name\n'),
    file(`odd/names/${'g'.repeat(255)}`, 'the longest name, of GNU\n', { long: 'gnu' }),
    file(`odd/names/${'h'.repeat(85)}`, 'just with a zero byte at the end\n'),
    file(`odd/names/${'i'.repeat(90)}`, 'just without a zero byte\n'),
    ...directories,
    file(`odd/names/${deep.join('/')}/file`, 'a path of 1200 bytes\n'),
    link('odd/names/long-target', `x/${component('t')}`),
    link('odd/names/long-target-of-GNU', `x/${component('u')}`, { long: 'gnu' }),
    hard('odd/names/hard', `odd/names/${'n'.repeat(255)}`),
    directory(`odd/names/${'p'.repeat(60)}`),
    // ustar: the directory in a field of its own.
    file('in-prefix', 'split\n', { prefix: `odd/names/${'p'.repeat(60)}` }),
    file(raw('odd/names/latin-', [0xe4, 0xf6, 0xfc]), 'not UTF-8\n'),
    file(raw('odd/names/bytes-', [0x80, 0xff, 0xfe, 0xc0]), 'not UTF-8\n'),
    file(raw('odd/names/', Buffer.alloc(120, 0xe9)), 'not UTF-8, of pax\n'),
    file(raw('odd/names/', Buffer.alloc(121, 0xe9)), 'not UTF-8, of GNU\n', { long: 'gnu' }),
    link('odd/names/to-latin', raw('latin-', [0xe4, 0xf6, 0xfc])),
    file('odd/names/ünïcödé-→-𝄞', 'UTF-8\n'),
    file('odd/names/new\nline', ''),
    file('odd/names/ leading and trailing ', ''),
    file('odd/names/-dash', ''),
    file('odd/names/back\\slash', ''),
    file('odd/names/tab\tand\x01control\x7f', ''),
    file('odd/names/quotes\'"`$', ''),
    file('odd/names/...', 'three dots\n'),
    file('odd/names/..a', 'two dots and a letter\n'),
    file('odd/names/a.wh.b', 'no whiteout\n'),
    directory('odd/names/.d.'),
  ];
}

function formats() {
  return [
    directory('odd/formats'),
    file('./odd/formats/with-dot', 'its name begins with ./\n'),
    file('odd//formats///slashes', 'its name has more slashes than it needs\n'),
    file('odd/formats/v7', 'without a magic number\n', { format: 'v7', type: '\0' }),
    // Before ustar, a directory was a file with a slash at the end.
    file('odd/formats/v7.d/', '', { format: 'v7', type: '\0', mode: 0o751 }),
    file('odd/formats/gnu', 'with the magic number of GNU tar\n', { format: 'gnu' }),
    file('odd/formats/contiguous', 'POSIX: read as a regular file\n', { type: '7' }),
    paxHeader({ comment: 'of the whole archive' }, 'g'),
    file('odd/formats/ids', 'ids in pax\n', { pax: { uid: '40000', gid: '40001' } }),
    file('odd/formats/size', 'a size in pax\n', { pax: { size: '14' } }),
    file('odd/formats/twice', 'first\n', { mode: 0o600 }),
    file('odd/formats/twice', 'the last one is what counts\n', { mode: 0o644 }),
  ];
}

/** What whiteouts do, and what replaces something of another kind. */
export function changes() {
  return archive(
    file('below/.wh.deleted', ''),
    file('below/.wh.deleted.d', ''),
    file('below/.wh.never-there', ''),
    directory('below/opaque', { mode: 0o700, uid: 6 }),
    file('below/opaque/new', 'new\n'),
    // After a file of the same directory: it hides only what is in the layers below.
    file('below/opaque/.wh..wh..opq', ''),
    directory('below/becomes-directory'),
    file('below/becomes-directory/file', 'new\n'),
    file('below/becomes-file', 'a file\n'),
    directory('below/becomes-directory-2'),
    // Deleted and made again in one layer: containerd reads it so in either order.
    file('below/.wh.again', ''),
    file('below/again', 'second\n'),
    file('implied/inner/second', 'in an implied directory\n'),
    directory('odd/new-volume', { mode: 0o700, uid: 1000 }),
  );
}
