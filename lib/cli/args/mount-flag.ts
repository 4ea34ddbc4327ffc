/** `--mount type=bind,source=/a,target=/b,readonly`: Docker's fields (docker/cli opts/mount.go). */
import { splitAssignment } from '../../base/assignment.js';
import { invalid, unsupported } from '../../base/check.js';
import type { BindPropagation, MountOption, VolumeUser } from '../../engine/options/options.js';
import { absolutePath } from '../../base/working-directory.js';

interface Draft {
  type?: string;
  source?: string;
  within?: string;
  target?: string;
  readOnly?: boolean;
  bindRecursive?: boolean;
  bindPropagation?: BindPropagation;
  idmap?: VolumeUser;
  tmpfsSize?: string;
  tmpfsMode?: string;
}

export function parseMountFlag(text: string, cwd: string | undefined): MountOption {
  const draft: Draft = {};
  for (const field of csvFields(text)) {
    const { name, value } = splitAssignment(field);
    setField(text, draft, name.toLowerCase(), value, cwd);
  }
  const {
    type = 'volume',
    source,
    within,
    target,
    readOnly,
    bindPropagation,
    bindRecursive,
    idmap,
    tmpfsSize,
    tmpfsMode,
  } = draft;
  if (target === undefined) throw invalid('mounts', text, 'has no target');
  if (type === 'bind') {
    if (source === undefined) throw invalid('mounts', text, 'has no source');
    if (tmpfsSize !== undefined || tmpfsMode !== undefined) {
      throw invalid('mounts', text, 'has options of a tmpfs, but its type is bind');
    }
    const bind = { type, source, target, readOnly, bindPropagation, bindRecursive } as const;
    return {
      ...bind,
      ...(within === undefined ? {} : { within }),
      ...(idmap === undefined ? {} : { idmap }),
    };
  }
  if (type === 'tmpfs') {
    if ((source ?? within ?? bindPropagation ?? bindRecursive ?? idmap) !== undefined) {
      throw invalid('mounts', text, 'has options of a bind, but its type is tmpfs');
    }
    return { type, target, readOnly, tmpfsSize, tmpfsMode };
  }
  if (type === 'volume') {
    throw unsupported(
      'mounts',
      text,
      'is a volume, which caisson does not have yet',
      'say type=bind or type=tmpfs',
    );
  }
  throw unsupported(
    'mounts',
    text,
    `has the type "${type}", which is not supported`,
    'say type=bind or type=tmpfs',
  );
}

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
      draft.bindRecursive = !toBoolean(text, key, value);
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
      // "readonly" is what a read-only bind is anyway.
      if (value !== 'enabled' && value !== 'disabled' && value !== 'readonly') {
        throw unsupported('mounts', text, `has bind-recursive=${value}, which is not supported`);
      }
      draft.bindRecursive = value !== 'disabled';
      return;
    case 'tmpfs-size':
      draft.tmpfsSize = value;
      return;
    case 'tmpfs-mode':
      draft.tmpfsMode = value;
      return;
  }
  throw /^(?:volume|image|tmpfs|bind)-|^consistency$/.test(key)
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
