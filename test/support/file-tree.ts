/** All that the kernel says of the files of a directory, for comparisons; as root, by GNU tools and Python alone. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** One line for each file: its path, kind, attributes and a digest of its content. */
export type FileTree = readonly string[];

/** A program for Python: its argument is the directory, its output is a line for each file. */
export const SCAN = `
import hashlib, os, stat, sys
root = os.fsencode(sys.argv[1])
links = {}
def line(path, name):
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    more = ''
    if kind == stat.S_IFREG:
        with open(path, 'rb') as f: more = hashlib.sha256(f.read()).hexdigest()[:16]
    elif kind == stat.S_IFLNK: more = repr(os.readlink(path))
    elif kind in (stat.S_IFCHR, stat.S_IFBLK): more = '%d:%d' % (os.major(s.st_rdev), os.minor(s.st_rdev))
    same = ''
    if kind != stat.S_IFDIR and s.st_nlink > 1:
        same = 'as ' + repr(links.setdefault((s.st_dev, s.st_ino), name))
    size = s.st_size if kind == stat.S_IFREG else 0
    attributes = []
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        for key in sorted(os.listxattr(path, follow_symlinks=False)):
            if key.startswith(('trusted.', 'security.selinux', 'user.overlay.')): continue
            attributes.append(key + '=' + os.getxattr(path, key, follow_symlinks=False).hex())
    print(repr(name)[2:-1], oct(s.st_mode), s.st_uid, s.st_gid, size, s.st_mtime_ns, more, same, *attributes)
def walk(path, name):
    line(path, name)
    if stat.S_ISDIR(os.lstat(path).st_mode):
        for below in sorted(os.listdir(path)):
            walk(os.path.join(path, below), os.path.join(name, below))
walk(root, b'.')
`;

export function scanTree(directory: string): FileTree {
  const output = execFileSync('python3', ['-I', '-c', SCAN, directory], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  return output.trimEnd().split('\n');
}

/** The files of an overlay of these directories, the top one first, as the kernel has them: in a mount namespace of its own. */
export function scanLayers(lowers: readonly string[], mountPoint: string): FileTree {
  const script = `mkdir -p "$2" "$2.empty" && mount -t overlay overlay -o "ro,lowerdir=$1:$2.empty" "$2" && exec python3 -I -c "$3" "$2"`;
  const output = execFileSync(
    'unshare',
    ['--mount', 'sh', '-ec', script, 'sh', lowers.join(':'), mountPoint, SCAN],
    { encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  return output.trimEnd().split('\n');
}

/** Extracts an archive with GNU tar, with all that it can restore, into a new directory. */
export function extractWithTar(archive: Buffer, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const argv = ['--extract', '--file=-', `--directory=${directory}`, '--numeric-owner'];
  argv.push('--same-permissions', '--same-owner', '--xattrs', '--xattrs-include=*', '--acls');
  const { status, stderr } = spawnSync('tar', argv, {
    input: archive,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
}

/** What GNU tar makes of a directory, with all that it can store. */
export function archiveWithTar(directory: string): Buffer {
  const argv = ['--create', '--file=-', `--directory=${directory}`, '--format=pax'];
  argv.push('--numeric-owner', '--xattrs', '--xattrs-include=*', '--sort=name', '.');
  return execFileSync('tar', argv, { maxBuffer: 2 ** 28 });
}
