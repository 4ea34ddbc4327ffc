import type { RunOptions } from '../../../lib/engine/options/options.js';
import type {
  ContainerInfo,
  ContainerStatus,
  StoredHealth,
  StoredConfig,
  StoredState,
} from '../../../lib/engine/store/stored.js';

export interface InfoParts {
  readonly config?: Partial<StoredConfig>;
  readonly state?: Partial<StoredState>;
  readonly options?: RunOptions;
  readonly status?: ContainerStatus;
  readonly health?: StoredHealth;
}

/** A container as `list` has it: running `sh` from the host image, unless said otherwise. */
export function containerInfo(parts: InfoParts = {}): ContainerInfo {
  const { config, state, options, status, health } = parts;
  return {
    config: {
      version: 1,
      id: 'a1b2c3d4e5f6'.padEnd(64, '0'),
      name: 'brave_brunel',
      created: '2026-03-01T10:00:00.000Z',
      image: { kind: 'name', name: 'host' },
      argv: ['sh'],
      command: ['sh'],
      options: options ?? {},
      restart: { name: 'no', maximumRetryCount: 0 },
      autoRemove: false,
      log: { driver: 'json-file', maxSize: 10_485_760, maxFile: 3 },
      stopSignal: 15,
      stopTimeout: 10,
      openStdin: false,
      stdinOnce: false,
      ...config,
    },
    state: {
      status: 'running',
      pid: 4242,
      startTime: '1',
      supervisor: '1 1 b',
      idBase: 100_000,
      startedAt: '2026-03-01T10:00:01.000000000Z',
      finishedAt: '',
      exitCode: 0,
      oomKilled: false,
      error: '',
      restartCount: 0,
      stopped: false,
      logLost: 0,
      ...state,
    },
    status: status ?? 'running',
    ...(health === undefined ? {} : { health }),
  };
}
