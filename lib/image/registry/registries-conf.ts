/**
 * Mirrors, other locations and insecure registries: registries.conf of Podman (containers-registries.conf(5), version 2)
 * with its drop-in files, and `registry-mirrors` and `insecure-registries` of Docker's daemon.json. Short names are
 * Docker's: search lists and aliases of registries.conf are not used.
 */
import { readdirSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { parseJson, readIfThere } from '../../base/storage.js';
import { fullName, repositoryName, type Reference } from '../reference.js';
import { bareHost } from './proxy.js';
import { parseToml, TomlError, type TomlTable, type TomlValue } from './toml-subset.js';

type Env = Readonly<Record<string, string | undefined>>;

interface Mirror {
  readonly location: string;
  readonly insecure: boolean;
  /** For which references it is asked. */
  readonly pulls: 'all' | 'digest-only' | 'tag-only';
}

interface RegistryRule {
  /** Of full names, up to a `/`, `:`, `@` or the end; `*.example` is any host below it. */
  readonly prefix: string;
  /** What takes the place of the prefix; empty: nothing does. */
  readonly location: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
  readonly file: string;
}

export interface RegistriesConfiguration {
  readonly rules: readonly RegistryRule[];
  /** Of docker.io, as URLs. */
  readonly dockerMirrors: readonly URL[];
  /** Hosts with or without a port, and ranges of addresses. */
  readonly insecure: readonly string[];
}

/** Where a repository is. */
export interface Location {
  /** With the port. */
  readonly host: string;
  readonly path: string;
  readonly insecure: boolean;
}

export interface ConfigurationPaths {
  readonly registriesConf: readonly string[];
  /** Directories of further files. */
  readonly dropIns: readonly string[];
  readonly daemonJson: string;
}

export function configurationPaths(env: Env): ConfigurationPaths {
  const chosen = env['CONTAINERS_REGISTRIES_CONF'] ?? '';
  const config = env['XDG_CONFIG_HOME'] ?? '';
  const own = join(config === '' ? join(homedir(), '.config') : config, 'containers');
  const files = [join(own, 'registries.conf'), '/etc/containers/registries.conf'];
  return {
    registriesConf: chosen === '' ? files : [chosen],
    dropIns:
      chosen === ''
        ? ['/etc/containers/registries.conf.d', join(own, 'registries.conf.d')]
        : [`${chosen}.d`],
    daemonJson: '/etc/docker/daemon.json',
  };
}

/**
 * The first registries.conf that exists, and all drop-in files, of which a later one replaces what an earlier one says
 * of the same prefix.
 *
 * @throws ERR_REGISTRY_CONFIG
 */
export function readRegistriesConfiguration(paths: ConfigurationPaths): RegistriesConfiguration {
  const rules = new Map<string, RegistryRule>();
  const main = paths.registriesConf.find((path) => readConfig(path) !== undefined);
  for (const path of [...(main === undefined ? [] : [main]), ...paths.dropIns.flatMap(confFiles)])
    for (const rule of parseRules(readConfig(path) ?? '', path)) rules.set(rule.prefix, rule);
  return { rules: [...rules.values()], ...readDaemonJson(paths.daemonJson) };
}

/**
 * Where to ask for a repository: mirrors, and the registry as the last one.
 *
 * @throws ERR_REGISTRY_BLOCKED
 */
export function locate(
  reference: Reference,
  { rules, dockerMirrors, insecure }: RegistriesConfiguration,
): readonly Location[] {
  const name = fullName(reference);
  const rule = rules
    .filter(({ prefix }) => matches(name, prefix))
    .sort((a, b) => b.prefix.length - a.prefix.length)[0];
  if (rule?.blocked === true)
    throw new CaissonError('ERR_REGISTRY_BLOCKED', `${name} is blocked by ${rule.file}`, {
      stage: 'image',
      path: name,
      hint: `the file says blocked = true for the prefix ${rule.prefix}`,
    });
  const at = (location: string, declared: boolean): Location => {
    const [host = '', ...rest] = relocate(repositoryName(reference), rule?.prefix ?? '', location).split('/'); // prettier-ignore
    return { host, path: rest.join('/'), insecure: declared || isInsecure(host, insecure) };
  };
  const mirrors = (rule?.mirrors ?? [])
    .filter(
      ({ pulls }) =>
        pulls === 'all' || (pulls === 'digest-only') === (reference.digest !== undefined),
    ) // prettier-ignore
    .map((mirror) => at(mirror.location, mirror.insecure));
  const docker = reference.domain === 'docker.io' && mirrors.length === 0 ? dockerMirrors : []; // prettier-ignore
  return [
    ...mirrors,
    ...docker.map((url) => ({
      host: url.host,
      path: `${url.pathname.replace(/^\/|\/$/g, '')}/${reference.path}`.replace(/^\//, ''),
      insecure: url.protocol === 'http:' || isInsecure(url.host, insecure),
    })),
    at(rule?.location ?? '', rule?.insecure ?? false),
  ];
}

function matches(name: string, prefix: string): boolean {
  if (prefix.startsWith('*.')) {
    const host = name.slice(0, name.search(/[/:@]|$/));
    return host.endsWith(prefix.slice(1));
  }
  return name.startsWith(prefix) && /^(?:$|[/:@])/.test(name.slice(prefix.length));
}

function relocate(name: string, prefix: string, location: string): string {
  if (location === '' || prefix.startsWith('*.')) return location === '' ? name : [location, ...name.split('/').slice(1)].join('/'); // prettier-ignore
  // A prefix may have a tag, which the name has not.
  return location + name.slice(Math.min(prefix.length, name.length));
}

function isInsecure(host: string, list: readonly string[]): boolean {
  const bare = bareHost(host.replace(/:\d+$/, ''));
  return list.some((entry) => {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address);
    if (prefix === undefined) return entry === host || entry === bare;
    if (family === 0 || isIP(bare) !== family || !/^\d{1,3}$/.test(prefix)) return false;
    if (Number(prefix) > (family === 4 ? 32 : 128)) return false;
    const range = new BlockList();
    range.addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
    return range.check(bare, family === 4 ? 'ipv4' : 'ipv6');
  });
}

function parseRules(text: string, file: string): readonly RegistryRule[] {
  let content: TomlTable;
  try {
    content = parseToml(text);
  } catch (error) {
    throw error instanceof TomlError ? unusable(file, error.message) : error;
  }
  return tables(content['registry'], 'registry', file).map((table) => {
    const location = string(table, 'location', file);
    const prefix = string(table, 'prefix', file) || location;
    if (prefix === '') throw unusable(file, 'a [[registry]] has neither prefix nor location');
    const byDigest = flag(table, 'mirror-by-digest-only', file);
    return {
      prefix,
      location,
      insecure: flag(table, 'insecure', file),
      blocked: flag(table, 'blocked', file),
      mirrors: tables(table['mirror'], 'mirror', file).map((mirror) => ({
        location: string(mirror, 'location', file),
        insecure: flag(mirror, 'insecure', file),
        pulls: byDigest ? 'digest-only' : pullsOf(mirror, file),
      })),
      file,
    };
  });
}

function pullsOf(mirror: TomlTable, file: string): Mirror['pulls'] {
  const value = string(mirror, 'pull-from-mirror', file);
  if (value === '' || value === 'all') return 'all';
  if (value === 'digest-only' || value === 'tag-only') return value;
  throw unusable(file, 'pull-from-mirror is all, digest-only or tag-only');
}

function tables(value: TomlValue | undefined, name: string, file: string): readonly TomlTable[] {
  if (value === undefined) return [];
  if (
    !Array.isArray(value) ||
    !value.every((each) => typeof each === 'object' && !Array.isArray(each))
  )
    // prettier-ignore
    throw unusable(file, `${name} is not a list of tables; version 1 of the format is not supported`);
  return value as readonly TomlTable[];
}

function string(table: TomlTable, key: string, file: string): string {
  const value = table[key] ?? '';
  if (typeof value !== 'string') throw unusable(file, `${key} is not a text`);
  return value;
}

function flag(table: TomlTable, key: string, file: string): boolean {
  const value = table[key] ?? false;
  if (typeof value !== 'boolean') throw unusable(file, `${key} is not true or false`);
  return value;
}

function readDaemonJson(path: string): Pick<RegistriesConfiguration, 'dockerMirrors' | 'insecure'> {
  const text = readConfig(path);
  const content = text === undefined || text.trim() === '' ? {} : parseJson(text);
  if (typeof content !== 'object' || content === null) throw unusable(path, 'it is not a JSON object'); // prettier-ignore
  const list = (key: string): readonly string[] => {
    const value = (content as Readonly<Record<string, unknown>>)[key] ?? [];
    if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
      throw unusable(path, `${key} is not a list of texts`);
    return value;
  };
  const mirrors = list('registry-mirrors').map((mirror) => {
    const url = URL.canParse(mirror) ? new URL(mirror) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) throw unusable(path, `the mirror ${mirror} is no URL`); // prettier-ignore
    return url;
  });
  return { dockerMirrors: mirrors, insecure: list('insecure-registries') };
}

function confFiles(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith('.conf')).sort().map((name) => join(directory, name)); // prettier-ignore
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw unusable(directory, (error as Error).message);
  }
}

function readConfig(path: string): string | undefined {
  try {
    return readIfThere(path);
  } catch (error) {
    throw unusable(path, (error as Error).message);
  }
}

function unusable(path: string, why: string): CaissonError {
  return new CaissonError('ERR_REGISTRY_CONFIG', `${path}: ${why}`, {
    stage: 'image',
    path,
    hint: 'correct the file; containers-registries.conf(5) describes it',
  });
}
