/** Every command: its flags, its words and its examples. For help and completion; commands load their own flags. */
import type { CommandSpec } from './flag-table.js';
import { ATTACH } from './flags/attach.js';
import { COMPLETION } from './flags/completion.js';
import { CREATE } from './flags/create.js';
import { EVENTS } from './flags/events.js';
import { EXEC } from './flags/exec.js';
import { INFO } from './flags/info.js';
import { INSPECT } from './flags/inspect.js';
import { KILL } from './flags/kill.js';
import { LOGS } from './flags/logs.js';
import { PAUSE, UNPAUSE } from './flags/pause.js';
import { PORT } from './flags/port.js';
import { CONTAINER_PRUNE, PRUNE } from './flags/prune.js';
import { PS } from './flags/ps.js';
import { RENAME } from './flags/rename.js';
import { RM } from './flags/rm.js';
import { RUN } from './flags/run.js';
import { START } from './flags/start.js';
import { STATS } from './flags/stats.js';
import { RESTART, STOP } from './flags/stop.js';
import { TOP } from './flags/top.js';
import { UPDATE } from './flags/update.js';
import { VERSION } from './flags/version.js';
import { WAIT } from './flags/wait.js';

/** What an argument can be: containers in some state, an image, or one of some words. */
export type ArgumentKind = 'all' | 'running' | 'paused' | 'stopped' | 'image' | readonly string[];

export interface CommandEntry {
  readonly spec: CommandSpec;
  /** What follows the command's name. */
  readonly usage: string;
  readonly description: string;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** For shells: of every argument, or of the first where the rest is somebody else's. Missing: nothing. */
  readonly argument?: ArgumentKind;
  /** Also as `caisson container NAME`. */
  readonly ofContainers: boolean;
  readonly aliases?: readonly string[];
}

/** What main.ts knows, by name: only this is shown and completed. */
export const REGISTERED: ReadonlySet<string> = new Set([
  ...'attach completion create events exec explain info inspect kill logs pause prune ps rename restart rm run'.split(
    ' ',
  ),
  ...'start stats stop top unpause update version wait'.split(' '),
  'container prune',
  'explain run',
]);

const RUN_USAGE = '[OPTIONS] IMAGE [COMMAND] [ARG...]';

function container(
  spec: CommandSpec,
  argument: ArgumentKind | undefined,
  usage: string,
  description: string,
  examples: CommandEntry['examples'],
  aliases?: readonly string[],
): CommandEntry {
  return {
    spec,
    usage,
    description,
    examples,
    ofContainers: true,
    ...(argument === undefined ? {} : { argument }),
    ...(aliases === undefined ? {} : { aliases }),
  };
}

export const COMMANDS: readonly CommandEntry[] = [
  container(RUN, 'image', RUN_USAGE, 'Create and run a new container from an image', [
    ['caisson run --rm -it host sh', "a shell on this machine's own /usr"],
    ['caisson run --rm -m 64m --cpus 0.5 host make -j4', 'limits'],
    ['caisson run -d --restart on-failure:3 --name web host ./server', 'stays, and starts again'],
    ['caisson run --rm --rootfs ./debian cat /etc/os-release', 'any directory with a system in it'],
  ]),
  container(CREATE, 'image', RUN_USAGE, 'Create a new container without starting it', [
    ['caisson create --name job host ./job.sh', 'prints its id'],
    ['caisson start -a job', 'and later'],
  ]),
  container(
    START,
    'stopped',
    '[OPTIONS] CONTAINER [CONTAINER...]',
    'Start containers that do not run',
    [
      ['caisson start web db', 'both'],
      ['caisson start -ai shell', 'with this terminal'],
      [
        'caisson start --all --filter should-start-on-boot=true',
        'what a unit of systemd does at boot',
      ],
    ],
  ),
  container(
    STOP,
    'running',
    '[OPTIONS] CONTAINER [CONTAINER...]',
    'Ask containers to end, and kill them if they do not',
    [
      ['caisson stop web', 'with the time and the signal that web was made with'],
      ['caisson stop -t 1 -s INT web', 'with others'],
    ],
  ),
  container(
    RESTART,
    'all',
    '[OPTIONS] CONTAINER [CONTAINER...]',
    'Stop containers and start them again',
    [['caisson restart -t 1 web', 'with one second to end in']],
  ),
  container(
    KILL,
    'running',
    '[OPTIONS] CONTAINER [CONTAINER...]',
    'Send containers a signal: KILL, unless said otherwise',
    [
      ['caisson kill web', 'ends everything in it'],
      ['caisson kill -s HUP web', 'tells its main program'],
    ],
  ),
  container(PAUSE, 'running', 'CONTAINER [CONTAINER...]', 'Freeze all processes of containers', [
    ['caisson pause web', 'until caisson unpause web'],
  ]),
  container(UNPAUSE, 'paused', 'CONTAINER [CONTAINER...]', 'Let paused containers go on', [
    ['caisson unpause web', 'as if nothing had been'],
  ]),
  container(
    ATTACH,
    'running',
    '[OPTIONS] CONTAINER',
    "Connect this terminal to a container's main program",
    [
      ['caisson attach web', 'ctrl-p ctrl-q leaves it running, if it has a terminal'],
      ['caisson attach --no-stdin --sig-proxy=false web', 'only looks'],
    ],
  ),
  container(
    EXEC,
    'running',
    '[OPTIONS] CONTAINER COMMAND [ARG...]',
    'Run a command in a running container',
    [
      ['caisson exec -it web sh', 'a shell in it'],
      ['caisson exec -u 0 -w /srv -e DEBUG=1 web ls', 'as another user, elsewhere'],
    ],
  ),
  container(LOGS, 'all', '[OPTIONS] CONTAINER', 'Show what a container has written', [
    ['caisson logs -f -n 20 web', 'the last 20 lines, and what comes'],
    ['caisson logs -t --since 10m web', 'with times, of the last ten minutes'],
  ]),
  container(
    RM,
    'stopped',
    '[OPTIONS] CONTAINER [CONTAINER...]',
    'Remove containers',
    [
      ['caisson rm job', 'which has ended'],
      ['caisson rm -f web', 'which may run'],
    ],
    ['remove'],
  ),
  container(
    PS,
    undefined,
    '[OPTIONS]',
    'List containers',
    [
      ['caisson ps -a --filter status=exited', 'those that have ended'],
      [`caisson ps --format 'table {{.Names}}\\t{{.Status}}'`, 'other columns'],
      ['caisson ps -aq', 'ids for other commands'],
    ],
    ['ls', 'list'],
  ),
  container(
    INSPECT,
    'all',
    '[OPTIONS] CONTAINER [CONTAINER...]',
    'Show everything that is known of containers, as JSON',
    [
      [`caisson inspect -f '{{.State.Status}} {{.State.ExitCode}}' web`, 'only some of it'],
      [`caisson inspect -f '{{json .HostConfig}}' web`, 'as JSON'],
    ],
  ),
  container(
    WAIT,
    'all',
    'CONTAINER [CONTAINER...]',
    'Wait until containers have ended, and print their exit codes',
    [['caisson wait job', 'prints 0 if all was well']],
  ),
  container(TOP, 'running', 'CONTAINER [ps OPTIONS]', 'Show the processes of a container', [
    ['caisson top web', 'as ps -ef does'],
    ['caisson top web -o pid,rss,cmd', 'other columns'],
  ]),
  container(
    STATS,
    'running',
    '[OPTIONS] [CONTAINER...]',
    'Show what containers use, again and again',
    [
      ['caisson stats', 'all that run'],
      [`caisson stats --no-stream --format '{{.Name}} {{.MemUsage}}'`, 'once, and only that'],
    ],
  ),
  {
    spec: EVENTS,
    usage: '[OPTIONS]',
    description: 'Show what happens to containers, as it happens',
    examples: [
      ['caisson events --filter event=die --filter event=oom', 'only ends'],
      ['caisson events --since 1h --until 0s --format json', 'of the last hour'],
    ],
    ofContainers: false,
  },
  container(RENAME, 'all', 'CONTAINER NEW_NAME', 'Give a container another name', [
    ['caisson rename web web-old', 'it goes on running'],
  ]),
  container(
    UPDATE,
    'all',
    '[OPTIONS] CONTAINER [CONTAINER...]',
    'Change limits and restart policy of containers, running or not',
    [
      ['caisson update -m 256m --cpus 2 web', 'at once'],
      ['caisson update --restart unless-stopped web db', 'of both'],
    ],
  ),
  container(
    PORT,
    'running',
    'CONTAINER [PRIVATE_PORT[/PROTO]]',
    'Show the ports that a container publishes',
    [['caisson port web 80', 'where that port is']],
  ),
  {
    ...container(CONTAINER_PRUNE, undefined, '[OPTIONS]', 'Remove all containers that do not run', [
      ['caisson container prune -f --filter until=24h', 'made before yesterday, without asking'],
    ]),
    ofContainers: false,
  },
  {
    spec: PRUNE,
    usage: '[OPTIONS]',
    description: 'Remove all containers that do not run, and what crashes have left',
    examples: [['caisson prune -f', 'without asking']],
    ofContainers: false,
  },
  {
    spec: { ...RUN, name: 'explain run' },
    usage: RUN_USAGE,
    description: 'Print the launch program of "run" instead of running it',
    examples: [['caisson explain run -m 64m host true', 'what would be done, step by step']],
    argument: 'image',
    ofContainers: false,
  },
  {
    spec: COMPLETION,
    usage: 'bash|zsh|fish',
    description: 'Print what makes a shell complete these commands',
    examples: [
      ['source <(caisson completion bash)', 'in ~/.bashrc'],
      ['source <(caisson completion zsh)', 'in ~/.zshrc, after compinit'],
      ['caisson completion fish | source', 'in ~/.config/fish/config.fish'],
    ],
    argument: ['bash', 'zsh', 'fish'],
    ofContainers: false,
  },
  {
    spec: INFO,
    usage: '[OPTIONS]',
    description: 'Show what this machine can do for this user, and what would give it the rest',
    examples: [
      ['caisson info', 'also where no container can be started: it says why'],
      [
        `caisson info -f '{{range .Abilities}}{{if not .available}}{{.name}}: {{.remedy}}{{"\\n"}}{{end}}{{end}}'`,
        'only what is missing',
      ],
    ],
    ofContainers: false,
  },
  {
    spec: VERSION,
    usage: '[OPTIONS]',
    description: 'Show the versions of caisson and of what it runs on',
    examples: [['caisson version --format json', 'for programs']],
    ofContainers: false,
  },
];

export function registeredCommands(): readonly CommandEntry[] {
  return COMMANDS.filter(({ spec }) => REGISTERED.has(spec.name));
}
