/** Which verb a container accepts in which status, and the error of each refusal. */
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import { noSuchContainer } from '../store/store.js';
import type { ContainerStatus } from '../store/stored.js';

/** `yes`: the verb is carried out. `done`: there is nothing to do. Everything else is a refusal. */
type Answer = 'yes' | 'done' | Refusal;
type Refusal = 'running' | 'stopped' | 'paused' | 'unpaused' | 'gone';

// `rename`, `update` and `logs` are not here: they work in every status but `removing`.
// prettier-ignore
const TABLE = {
  start:         { created: 'yes',      running: 'done',     paused: 'paused',  restarting: 'done',     exited: 'yes',      removing: 'gone', dead: 'yes' },
  startAttached: { created: 'yes',      running: 'running',  paused: 'paused',  restarting: 'running',  exited: 'yes',      removing: 'gone', dead: 'yes' },
  attach:        { created: 'stopped',  running: 'yes',      paused: 'paused',  restarting: 'yes',      exited: 'stopped',  removing: 'gone', dead: 'stopped' },
  exec:          { created: 'stopped',  running: 'yes',      paused: 'paused',  restarting: 'stopped',  exited: 'stopped',  removing: 'gone', dead: 'stopped' },
  top:           { created: 'stopped',  running: 'yes',      paused: 'yes',     restarting: 'stopped',  exited: 'stopped',  removing: 'gone', dead: 'stopped' },
  stats:         { created: 'done',     running: 'yes',      paused: 'yes',     restarting: 'done',     exited: 'done',     removing: 'gone', dead: 'done' },
  wait:          { created: 'done',     running: 'yes',      paused: 'yes',     restarting: 'yes',      exited: 'done',     removing: 'gone', dead: 'done' },
  stop:          { created: 'done',     running: 'yes',      paused: 'yes',     restarting: 'yes',      exited: 'done',     removing: 'gone', dead: 'done' },
  kill:          { created: 'stopped',  running: 'yes',      paused: 'yes',     restarting: 'yes',      exited: 'stopped',  removing: 'gone', dead: 'stopped' },
  pause:         { created: 'stopped',  running: 'yes',      paused: 'paused',  restarting: 'stopped',  exited: 'stopped',  removing: 'gone', dead: 'stopped' },
  unpause:       { created: 'unpaused', running: 'unpaused', paused: 'yes',     restarting: 'unpaused', exited: 'unpaused', removing: 'gone', dead: 'unpaused' },
  fork:          { created: 'yes',      running: 'running',  paused: 'running', restarting: 'running',  exited: 'yes',      removing: 'gone', dead: 'yes' },
  remove:        { created: 'yes',      running: 'running',  paused: 'running', restarting: 'running',  exited: 'yes',      removing: 'gone', dead: 'yes' },
} as const satisfies Readonly<Record<string, Readonly<Record<ContainerStatus, Answer>>>>;

export type Verb = keyof typeof TABLE;

export function allowed(status: ContainerStatus, verb: Verb): Answer {
  return TABLE[verb][status];
}

/** Whether the container has processes, or will have some again without a command. */
export function isActiveStatus(status: ContainerStatus): boolean {
  return allowed(status, 'wait') === 'yes';
}

/**
 * Whether the verb has to be carried out; false: there is nothing to do.
 *
 * @throws the refusal
 */
export function checkAllowed(status: ContainerStatus, verb: Verb, id: string): boolean {
  const refusal = refusalOf(status, verb, id);
  if (refusal !== undefined) throw refusal;
  return allowed(status, verb) === 'yes';
}

export function refusalOf(
  status: ContainerStatus,
  verb: Verb,
  id: string,
): CaissonError | undefined {
  switch (allowed(status, verb)) {
    case 'yes':
    case 'done':
      return undefined;
    case 'gone':
      return noSuchContainer(id);
    case 'running':
      if (verb === 'remove')
        return isRunning(id, 'remove it', 'stop it first, or use force (rm -f)');
      return verb === 'fork'
        ? isRunning(id, 'fork it', 'stop it first; commit copies the files of one that runs')
        : isRunning(id, 'start it with a client');
    case 'stopped':
      return notRunning(id);
    case 'unpaused':
      return refuse(id, 'ERR_CONTAINER_NOT_PAUSED', `container ${shortId(id)} is not paused`);
    case 'paused':
      return refuse(
        id,
        'ERR_CONTAINER_PAUSED',
        `cannot ${PHRASES[verb] ?? verb} container ${shortId(id)}: it is paused`,
        'unpause it first',
      );
  }
}

const PHRASES: Partial<Record<Verb, string>> = {
  startAttached: 'start',
  attach: 'attach to',
  exec: 'exec in',
};

export function isRunning(id: string, what: string, hint?: string): CaissonError {
  const message = `cannot ${what}: container ${shortId(id)} is running`;
  return refuse(id, 'ERR_CONTAINER_RUNNING', message, hint);
}

export function notRunning(id: string): CaissonError {
  return refuse(id, 'ERR_CONTAINER_NOT_RUNNING', `container ${shortId(id)} is not running`);
}

function refuse(
  id: string,
  code: CaissonError['code'],
  message: string,
  hint?: string,
): CaissonError {
  return new CaissonError(code, message, { stage: 'config', path: id, hint });
}
