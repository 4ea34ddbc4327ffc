/** `--mount type=bind,source=/a,target=/b,readonly`: Docker's fields (docker/cli opts/mount.go). */
import { splitAssignment } from '../../base/assignment.js';
import { invalid, unsupported } from '../../base/check.js';
import type {
  BindPropagation,
  BindRecursive,
  MountOption,
  VolumeUser,
} from '../../engine/options/mount-types.js';
import { absolutePath } from '../../base/working-directory.js';

interface Draft {
  type?: string;
  source?: string;
  within?: string;
  target?: string;
  readOnly?: boolean;
  bindRecursive?: BindRecursive;
  bindPropagation?: BindPropagation;
  idmap?: VolumeUser;
  volumeNoCopy?: boolean;
  volumeDriver?: string;
  volumeSubpath?: string;
  volumeLabels?: string[];
  volumeOptions?: Record<string, string>;
  tmpfsSize?: string;
  tmpfsMode?: string;
  imageSubpath?: string;
}

/** Fields that only one type has. */
const OF_BINDS = ['within', 'bindPropagation', 'bindRecursive', 'idmap'] as const;
const OF_VOLUMES = [
  'volumeNoCopy',
  'volumeDriver',
  'volumeSubpath',
  'volumeLabels',
  'volumeOptions',
] as const;
const OF_TMPFS = ['tmpfsSize', 'tmpfsMode'] as const;
const OF_IMAGES = ['imageSubpath'] as const;

export function parseMountFlag(text: string, cwd: string | undefined): MountOption {
  const draft: Draft = {};
  for (const field of csvFields(text)) {
    const { name, value } = splitAssignment(field);
    setField(text, draft, name.toLowerCase(), value, cwd);
  }
  const { type = 'volume', source, target, readOnly } = draft;
  if (target === undefined) throw invalid('mounts', text, 'has no target');
  const refuse = (fields: readonly (keyof Draft)[], of: string) => {
    if (fields.some((field) => draft[field] !== undefined))
      throw invalid('mounts', text, `has options of a ${of}, but its type is ${type}`);
  };
  if (type !== 'bind') refuse(OF_BINDS, 'bind');
  if (type !== 'volume') refuse(OF_VOLUMES, 'volume');
  if (type !== 'tmpfs') refuse(OF_TMPFS, 'tmpfs');
  if (type !== 'image') refuse(OF_IMAGES, 'mount of an image');
  const common = { target, ...(readOnly === undefined ? {} : { readOnly }) };
  if (type === 'bind') {
    if (source === undefined) throw invalid('mounts', text, 'has no source');
    return { type, source, ...common, ...given(draft, OF_BINDS) };
  }
  if (type === 'volume')
    return { type, ...(source === undefined ? {} : { source }), ...common, ...given(draft, OF_VOLUMES) }; // prettier-ignore
  if (type === 'tmpfs') {
    if (source !== undefined)
      throw invalid('mounts', text, 'has options of a bind, but its type is tmpfs');
    return { type, ...common, ...given(draft, OF_TMPFS) };
  }
  if (type === 'image') {
    if (source === undefined) throw invalid('mounts', text, 'has no source');
    if (readOnly === false)
      throw unsupported('mounts', text, 'is of an image, whose files do not change');
    return { type, source, target, ...(readOnly === true ? { readOnly } : {}), ...given(draft, OF_IMAGES) }; // prettier-ignore
  }
  throw unsupported(
    'mounts',
    text,
    `has the type "${type}", which is not supported`,
    'say type=volume, type=bind, type=tmpfs or type=image',
  );
}

/** Those fields that were given. */
function given<Name extends keyof Draft>(draft: Draft, names: readonly Name[]): Pick<Draft, Name> {
  const some: Partial<Pick<Draft, Name>> = {};
  for (const name of names) if (draft[name] !== undefined) some[name] = draft[name];
  return some as Pick<Draft, Name>;
}

const BIND_RECURSIVE: ReadonlySet<string> = new Set<BindRecursive>([
  'enabled',
  'disabled',
  'writable',
  'readonly',
]);

function setField(
  text: string,
  draft: Draft,
  key: string,
  value: string | undefined,
  cwd: string | undefined,
): void {
  switch (key) {
    case 'readonly':
    case 'ro':
      draft.readOnly = toBoolean(text, key, value);
      return;
    case 'bind-nonrecursive':
      draft.bindRecursive = toBoolean(text, key, value) ? 'disabled' : 'enabled';
      return;
    case 'volume-nocopy':
      draft.volumeNoCopy = toBoolean(text, key, value);
      return;
  }
  if (value === undefined) throw invalid('mounts', text, `has the field "${key}" without a value`);
  switch (key) {
    case 'type':
      draft.type = value.toLowerCase();
      return;
    case 'source':
    case 'src':
      draft.source =
        value === '.' || value.startsWith('./') || value.startsWith('../')
          ? absolutePath('mount', value, cwd)
          : value;
      return;
    case 'target':
    case 'dst':
    case 'destination':
      draft.target = value;
      return;
    case 'beneath':
      draft.within = value;
      return;
    case 'bind-propagation':
      draft.bindPropagation = value.toLowerCase() as BindPropagation;
      return;
    case 'idmap':
      draft.idmap = value as VolumeUser;
      return;
    case 'bind-recursive':
      if (!BIND_RECURSIVE.has(value))
        throw invalid('mounts', text, `has bind-recursive=${value}`, [...BIND_RECURSIVE].join(', ')); // prettier-ignore
      draft.bindRecursive = value as BindRecursive;
      return;
    case 'volume-driver':
      draft.volumeDriver = value;
      return;
    case 'volume-subpath':
      draft.volumeSubpath = value;
      return;
    case 'volume-label':
      (draft.volumeLabels ??= []).push(value);
      return;
    case 'volume-opt': {
      const { name, value: of = '' } = splitAssignment(value);
      draft.volumeOptions = { ...draft.volumeOptions, [name]: of };
      return;
    }
    case 'image-subpath':
    // Podman's.
    case 'subpath':
      draft.imageSubpath = value;
      return;
    case 'tmpfs-size':
      draft.tmpfsSize = value;
      return;
    case 'tmpfs-mode':
      draft.tmpfsMode = value;
      return;
    case 'consistency':
      // Of Docker Desktop; it means nothing on Linux.
      return;
  }
  throw /^(?:volume|image|tmpfs|bind)-/.test(key)
    ? unsupported('mounts', text, `has the field "${key}", which is not supported`)
    : invalid('mounts', text, `has the unknown field "${key}"`);
}

function toBoolean(text: string, key: string, value: string | undefined): boolean {
  if (value === undefined || value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw invalid('mounts', text, `has ${key}=${value}, which is not a boolean`);
}

/** One line of RFC 4180: fields that contain a comma are in double quotes. */
export function csvFields(text: string): readonly string[] {
  if (!text.includes('"')) return text.split(',');
  const fields: string[] = [];
  for (let at = 0; at <= text.length;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at);
      const end = comma < 0 ? text.length : comma;
      fields.push(text.slice(at, end));
      at = end + 1;
      continue;
    }
    let field = '';
    for (at++; ; at++) {
      const quote = text.indexOf('"', at);
      if (quote < 0) throw invalid('mounts', text, 'has a quote that does not end');
      field += text.slice(at, quote);
      at = quote + 1;
      if (text[at] !== '"') break;
      field += '"';
    }
    if (at < text.length && text[at] !== ',')
      throw invalid('mounts', text, 'has text after a quoted field');
    fields.push(field);
    at++;
  }
  return fields;
}
