/**
 * Which of the host's `/etc` goes into the `host` image, and how it is copied.
 *
 * It is an allow-list: what programs out of `/usr` need to run, and nothing that says whose machine it is or
 * that opens a door. Homes, `/etc/shadow`, sudoers, ssh, registry and proxy credentials (`pip.conf`, `npmrc`,
 * `environment`, `gitconfig`, `php.ini`) are not on it. Besides, whatever the list says, a file is left out if not
 * all users of the host may read it, or if it contains a private key.
 */
import { constants } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** Names below `/etc`; a last `*` stands for any ending. Directories are meant with all that is in them. */
export const etcAllowed: readonly string[] = [
  // The loader, accounts and names.
  ...[
    'ld.so.cache',
    'ld.so.conf',
    'ld.so.conf.d',
    'passwd',
    'group',
    'login.defs',
    'shells',
    'skel',
  ],
  ...['nsswitch.conf', 'host.conf', 'gai.conf', 'networks', 'protocols', 'services', 'rpc'],
  ...['ethertypes', 'netconfig', 'default/useradd', 'default/nss', 'adduser.conf', 'deluser.conf'],
  ...['pam.conf', 'pam.d', 'security'],
  // What the machine is, and when.
  ...[
    'os-release',
    'lsb-release',
    'debian_version',
    'redhat-release',
    'system-release',
    'fedora-release',
  ],
  ...['centos-release', 'rocky-release', 'almalinux-release', 'alpine-release', 'arch-release'],
  ...['SuSE-release', 'SUSE-brand', 'issue', 'issue.net', 'localtime', 'timezone'],
  ...['locale.alias', 'locale.conf', 'locale.gen', 'default/locale', 'vconsole.conf'],
  // Certificates of authorities.
  ...['ssl/certs', 'ssl/cert.pem', 'ssl/openssl.cnf', 'ca-certificates', 'ca-certificates.conf'],
  ...['pki/ca-trust', 'pki/tls/certs', 'pki/tls/cert.pem', 'pki/tls/openssl.cnf', 'pki/java'],
  ...['crypto-policies'],
  // Shells and terminals.
  ...[
    'profile',
    'profile.d',
    'bash.bashrc',
    'bashrc',
    'bash_completion',
    'bash_completion.d',
    'zsh',
  ],
  ...['inputrc', 'terminfo', 'DIR_COLORS'],
  // Languages and tools that keep part of themselves here.
  ...['alternatives', 'python*', 'perl', 'java*', 'mime.types', 'mailcap', 'magic', 'magic.mime'],
  ...[
    'mke2fs.conf',
    'xattr.conf',
    'manpath.config',
    'groff',
    'fonts',
    'xml',
    'sgml',
    'vim',
    'nanorc',
  ],
  ...['iproute2', 'bindresvport.blacklist'],
];

/** Never copied, wherever they lie. */
const forbiddenNames = /^(?:g?shadow-?|passwd-|group-|opasswd|sudoers.*|private|ssh|.*\.key|.*~)$/;

/** Larger files are no settings. */
const largestFile = 16 * 1024 * 1024;

/** Deeper trees are loops of links. */
const deepest = 16;

/** The allow-list's entries that this host has: paths relative to `etc`. */
export async function presentEtc(etc: string): Promise<string[]> {
  const present: string[] = [];
  for (const entry of etcAllowed) {
    const directory = dirname(entry);
    const pattern = basename(entry);
    if (!pattern.endsWith('*')) {
      present.push(entry);
      continue;
    }
    const names = await readdir(join(etc, directory)).catch(() => []);
    for (const name of names.sort()) {
      if (name.startsWith(pattern.slice(0, -1))) present.push(join(directory, name));
    }
  }
  const found = await Promise.all(
    present.map(async (path) =>
      lstat(join(etc, path)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return present.filter((_, index) => found[index] === true);
}

/**
 * Copies what is allowed of a host's `/etc`.
 *
 * @param host the host's root; `/` but in tests.
 * @param target the image's `etc`, which exists and is empty.
 */
export async function copyEtc(host: string, target: string): Promise<void> {
  const present = await presentEtc(join(host, 'etc'));
  const copier = new Copier(host, target, new Set(present));
  // One after the other, because several share a directory that the first one makes.
  for (const path of present) {
    await makeParents(target, dirname(path));
    await copier.copy(join(host, 'etc', path), path, 0);
  }
}

class Copier {
  constructor(
    private readonly host: string,
    private readonly target: string,
    private readonly allowed: ReadonlySet<string>,
  ) {}

  /** @param path where the copy goes, below `/etc`. */
  async copy(source: string, path: string, depth: number): Promise<void> {
    if (forbiddenNames.test(basename(source)) || depth > deepest) return;
    const stats = await lstat(source).catch(() => undefined);
    if (stats === undefined) return;
    if (stats.isSymbolicLink()) {
      await this.copyLink(source, path, depth);
    } else if (stats.isDirectory()) {
      if ((stats.mode & 0o005) === 0o005) await this.copyDirectory(source, path, depth);
    } else if (stats.isFile()) {
      await copyFile(source, join(this.target, path));
    }
  }

  private async copyDirectory(source: string, path: string, depth: number): Promise<void> {
    await makeDirectory(join(this.target, path));
    const names = await readdir(source);
    await Promise.all(
      names.map(async (name) => {
        await this.copy(join(source, name), join(path, name), depth + 1);
      }),
    );
  }

  /**
   * A link stays a link when the container has what it points to. Otherwise what it points to is copied in
   * its place, if that is a place where distributions keep settings; a link into a user's home directory, or
   * to files that exist only until the next boot, is left out.
   */
  private async copyLink(source: string, path: string, depth: number): Promise<void> {
    const text = await readlink(source);
    // As the container will resolve it, which matters below directories that were links themselves.
    const pointsTo = resolve('/etc', dirname(path), text);
    if (!this.isInside(pointsTo)) {
      if (/^\/(?:home|root|run|tmp|var\/run|var\/tmp)(?:\/|$)/.test(pointsTo)) return;
      const real = await realpath(source).catch(() => undefined);
      const settings = [join(this.host, 'etc/'), join(this.host, 'var/lib/'), '/nix/store/'];
      if (real !== undefined && settings.some((place) => real.startsWith(place))) {
        await this.copy(real, path, depth + 1);
        return;
      }
    }
    await symlink(text, join(this.target, path));
  }

  private isInside(path: string): boolean {
    if (/^\/(?:usr|bin|sbin|lib[^/]*|proc|dev)(?:\/|$)/.test(path)) return true;
    if (!path.startsWith('/etc/')) return false;
    let name = path.slice('/etc/'.length);
    while (name !== '.' && !this.allowed.has(name)) name = dirname(name);
    return name !== '.';
  }
}

/** The directories above something that is on the list. */
async function makeParents(target: string, path: string): Promise<void> {
  if (path === '.') return;
  await makeParents(target, dirname(path));
  await makeDirectory(join(target, path));
}

/** A directory that all users may enter, whatever the process's umask; it may exist already. */
async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o755);
}

async function copyFile(source: string, target: string): Promise<void> {
  // Looked at and read through one descriptor: the file may be exchanged at any time.
  const file = await open(
    source,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  ).catch(() => undefined);
  if (file === undefined) return;
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o004) === 0 || size > largestFile) return;
    let content: Buffer = await file.readFile();
    if (content.includes('PRIVATE KEY-----')) return;
    const name = basename(source);
    if (name === 'passwd' || name === 'group') content = withoutHashes(content);
    await writeFile(target, content, { flag: 'wx', mode: mode & 0o755 });
    // Whatever the process's umask left of it.
    await chmod(target, mode & 0o755);
  } finally {
    await file.close();
  }
}

/** passwd(5), group(5): a password's hash may stand in the second field of very old files. */
function withoutHashes(content: Buffer): Buffer {
  const lines = content.toString('latin1').split('\n');
  const clean = lines.map((line) => {
    const fields = line.split(':');
    if (fields[1] !== undefined && fields[1].length > 1) fields[1] = 'x';
    return fields.join(':');
  });
  return Buffer.from(clean.join('\n'), 'latin1');
}
