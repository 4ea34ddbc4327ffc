/** Every case, in the order of the report. */
import type { Section } from '../parity-case.js';
import { CHANGES, CP } from './copied-files.js';
import { ENVIRONMENT, FILES, NAMES } from './create-flags.js';
import { EXEC } from './exec.js';
import { ATTACH, LIFECYCLE, RESTARTS } from './lifecycle.js';
import { IMAGE_ARCHIVES, IMAGE_REGISTRIES } from './image-archives.js';
import { IMAGE_CONFIG } from './image-config.js';
import { IMAGES } from './images.js';
import { HEALTH, LIMITS, PRIVILEGES } from './limits.js';
import { LOGS } from './logs.js';
import { NETWORK_COMMANDS } from './network-commands.js';
import { NETWORK_MODES } from './network-modes.js';
import { NETWORK_NAMES } from './network-names.js';
import { NETWORK_NAMESPACES } from './network-namespaces.js';
import { NETWORK_PORTS } from './network-ports.js';
import { NETWORK_VIEWS } from './network-views.js';
import { EXIT_CODES, STREAMS } from './run.js';
import { INFO, INSPECT, PS, USAGE } from './views.js';
import { MOUNTS, VOLUMES } from './volumes.js';

export const SECTIONS: readonly Section[] = [
  EXIT_CODES,
  STREAMS,
  NAMES,
  ENVIRONMENT,
  FILES,
  LIMITS,
  PRIVILEGES,
  HEALTH,
  LIFECYCLE,
  RESTARTS,
  ATTACH,
  EXEC,
  LOGS,
  PS,
  INSPECT,
  USAGE,
  INFO,
  NETWORK_MODES,
  NETWORK_PORTS,
  NETWORK_NAMES,
  NETWORK_COMMANDS,
  NETWORK_VIEWS,
  NETWORK_NAMESPACES,
  IMAGES,
  IMAGE_ARCHIVES,
  IMAGE_REGISTRIES,
  IMAGE_CONFIG,
  VOLUMES,
  MOUNTS,
  CP,
  CHANGES,
];
