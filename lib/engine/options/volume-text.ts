/** One `-v`: `[source:]target[:options]`, as of moby's volume/mounts/linux_parser.go. */
import { invalid, unsupported } from '../../base/check.js';
import { hasSelinux } from '../../host/selinux.js';
import { isVolumeName } from '../../volumes/volume-name.js';
import {
  bindOptions,
  checkSource,
  checkTarget,
  checkVolumeUser,
  checkWithin,
  PROPAGATIONS,
} from './mount-checks.js';
import type { VolumeUser } from './mount-types.js';
import { type MountConfig, volumeMount } from './mount-config.js';

/** The options behind the target, each of which is given at most once. */
interface Mode {
  readOnly?: boolean;
  recursive?: boolean;
  propagation?: string;
  idmap?: VolumeUser;
  within?: string;
  noCopy?: boolean;
}

export function parseVolumeText(text: string): MountConfig {
  const parts = text.split(':');
  const [source = '', target = '', mode] = parts;
  if (parts.length === 1 && text.startsWith('/'))
    return volumeMount('volumes', checkTarget('volumes', text), {}, false);
  if (parts.length < 2 || parts.length > 3 || source === '' || target === '')
    throw invalid('volumes', text, 'is not [source:]target[:options]');
  if (!source.startsWith('/') && !isVolumeName(source))
    throw invalid(
      'volumes',
      text,
      'has a source that is neither an absolute path on the host nor the name of a volume',
      source.length === 1
        ? 'a name has at least two characters'
        : 'only [a-zA-Z0-9][a-zA-Z0-9_.-] is allowed in a name',
    );
  const { readOnly, recursive, propagation, idmap, within, noCopy } = parseMode(text, source, mode);
  if (!source.startsWith('/')) {
    if ((propagation ?? recursive ?? within ?? idmap) !== undefined)
      throw invalid('volumes', text, 'has options of a bind, and its source is a volume');
    const volume = { name: source, ...(noCopy === true ? { noCopy } : {}) };
    return volumeMount('volumes', checkTarget('volumes', target), volume, readOnly ?? false);
  }
  if (noCopy === true)
    throw invalid('volumes', text, 'has "nocopy", which is for named volumes only');
  const below = recursive === false ? 'disabled' : 'enabled';
  return {
    type: 'bind',
    source: checkSource('volumes', source),
    ...(within === undefined ? {} : { within }),
    target: checkTarget('volumes', target),
    options: bindOptions(below, readOnly ?? false, propagation ?? 'rprivate'),
    ...(idmap === undefined ? undefined : { idmap }),
    from: 'volumes',
  };
}

function parseMode(text: string, source: string, mode: string | undefined): Mode {
  const parsed: Mode = {};
  for (const option of mode?.split(',') ?? []) {
    if ((option === 'ro' || option === 'rw') && parsed.readOnly === undefined)
      parsed.readOnly = option === 'ro';
    else if ((option === 'rbind' || option === 'bind') && parsed.recursive === undefined)
      parsed.recursive = option === 'rbind';
    else if (PROPAGATIONS.has(option) && parsed.propagation === undefined)
      parsed.propagation = option;
    else if (option.startsWith('idmap=') && parsed.idmap === undefined)
      parsed.idmap = checkVolumeUser('volumes', option.slice('idmap='.length));
    else if (option.startsWith('beneath=') && parsed.within === undefined)
      parsed.within = checkWithin('volumes', option.slice('beneath='.length), source);
    else if (option === 'nocopy' && parsed.noCopy === undefined) parsed.noCopy = true;
    else if (option === 'z' || option === 'Z') checkRelabelling(text, option, source);
    else
      throw invalid('volumes', text, `has the option "${option}", which is unknown or given twice`);
  }
  return parsed;
}

/** It means nothing without SELinux, and for a volume, which no policy keeps from containers. */
function checkRelabelling(text: string, option: string, source: string): void {
  if (!source.startsWith('/') || !hasSelinux()) return;
  throw unsupported(
    'volumes',
    text,
    `asks with "${option}" for its files to be relabelled for SELinux, which caisson does not do`,
    'chcon -R -t container_file_t DIRECTORY, and no "z"',
  );
}
