/** A directory with all metadata, to compare it with another one. */
import { execFileSync } from 'node:child_process';

/** The names are bytes, in latin1; of extended attributes those that an archive may bring. */
const PROGRAM = `
import hashlib, json, os, stat, sys
root = os.fsencode(sys.argv[1])
links, found = {}, {}
def walk(path, name):
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    one = {'mode': oct(s.st_mode), 'uid': s.st_uid, 'gid': s.st_gid, 'mtime': str(s.st_mtime_ns), 'nlink': s.st_nlink}
    if kind == stat.S_IFDIR: del one['nlink']
    if kind in (stat.S_IFCHR, stat.S_IFBLK): one['device'] = [os.major(s.st_rdev), os.minor(s.st_rdev)]
    if kind == stat.S_IFLNK: one['target'] = os.readlink(path).decode('latin1')
    if kind == stat.S_IFREG:
        one['size'] = s.st_size
        one['holes'] = s.st_blocks * 512 < s.st_size - 4095
        with open(path, 'rb') as f: one['sha256'] = hashlib.file_digest(f, 'sha256').hexdigest() if hasattr(hashlib, 'file_digest') else hashlib.sha256(f.read()).hexdigest()
    if kind != stat.S_IFDIR and s.st_nlink > 1: one['same'] = links.setdefault(s.st_ino, name.decode('latin1'))
    names = os.listxattr(path, follow_symlinks=False)
    one['attributes'] = {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in sorted(names) if not n.startswith('security.selinux')}
    found[name.decode('latin1') or '.'] = one
    if kind == stat.S_IFDIR:
        for entry in sorted(os.listdir(path)): walk(path + b'/' + entry, name + b'/' + entry if name else entry)
walk(root, b'')
json.dump(found, sys.stdout)
`;

export interface DumpedFile {
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds. */
  readonly mtime: string;
  readonly size?: number;
  readonly holes?: boolean;
  readonly device?: readonly [number, number];
  readonly target?: string;
  readonly sha256?: string;
  /** The first name of the same file. */
  readonly same?: string;
  /** Hexadecimal. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** By path; `.` is the directory itself. */
export function dumpTree(directory: string): Record<string, DumpedFile> {
  const text = execFileSync('python3', ['-c', PROGRAM, directory], { maxBuffer: 1 << 28 });
  return JSON.parse(text.toString()) as Record<string, DumpedFile>;
}
