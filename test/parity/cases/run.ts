/** `run`: exit codes, streams, terminals. */
import type { Section } from '../parity-case.js';

const sh = String.raw;

export const EXIT_CODES: Section = {
  title: 'Exit codes of run and create',
  cases: [
    { name: "the program's own", steps: [sh`docker run --rm $image sh -c 'exit 42'`] },
    { name: 'a path that does not exist', steps: [sh`docker run --rm $image /no/such`] },
    { name: 'a name that is not in PATH', steps: [sh`docker run --rm $image nosuchprogram`] },
    { name: 'a file that is not executable', steps: [sh`docker run --rm $image /etc/passwd`] },
    { name: 'a directory as the command', steps: [sh`docker run --rm $image /etc`] },
    {
      name: 'a script whose interpreter is missing',
      steps: [sh`printf '#!/no/such\n' >x; chmod +x x; docker run --rm -v $d/x:/x $image /x`],
      verdict: {
        is: 'better',
        why: 'exits with 127 and names the interpreter; Docker exits with 1 and does not',
      },
    },
    {
      name: 'a file that is not a program',
      steps: [sh`printf '\001\002\003' >x; chmod +x x; docker run --rm -v $d/x:/x $image /x`],
      verdict: {
        is: 'better',
        why: 'exits with 126; Docker’s 1 could be the exit code of the program',
      },
    },
    {
      name: 'killed by KILL from outside',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker kill $c',
        'docker wait $c',
        "docker inspect -f '{{.State.ExitCode}} {{.State.Status}}' $c",
      ],
    },
    {
      name: 'killed by a signal of its own, with an init',
      steps: [sh`docker run --rm --init $image sh -c 'kill -9 $$'`],
    },
    {
      name: 'killed by TERM, with an init',
      steps: [sh`docker run --rm --init $image sh -c 'kill -TERM $$'`],
    },
    {
      name: 'process 1 ignores TERM and its own KILL',
      steps: [sh`docker run --rm $image sh -c 'kill -TERM $$; kill -9 $$; echo alive; exit 3'`],
    },
    { name: 'an unknown flag of run', steps: ['docker run --nope $image true'] },
    { name: 'an unknown flag of create', steps: ['docker create --nope $image true'] },
    { name: 'an invalid value of a flag of run', steps: ['docker run -m lots $image true'] },
    { name: 'an invalid value of a flag of create', steps: ['docker create -m lots $image true'] },
    { name: 'a flag without its value', steps: ['docker run --name'] },
    { name: 'run without arguments', steps: ['docker run'] },
    { name: 'an unknown image for run', steps: ['docker run --pull never nosuch:image true'] },
    {
      name: 'an unknown image for create',
      steps: ['docker create --pull never nosuch:image true'],
    },
    { name: 'no command at all', steps: ['docker run --rm $bare', 'docker create $bare'] },
    { name: 'an unknown command', steps: ['docker nosuchcommand'] },
    {
      name: 'a failed start leaves a container that is created, with 127',
      steps: [
        'docker run --name $c $image /no/such',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}' $c",
        "docker ps -a --filter name=$c --format '{{.Status}}'",
        'docker start $c',
      ],
    },
    {
      name: 'a failed start with --rm leaves nothing',
      steps: ['docker run --rm --name $c $image /no/such', 'docker inspect $c'],
    },
    {
      name: 'a failed start with -d',
      steps: [
        'docker run -d --name $c $image /no/such',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c",
      ],
    },
    { name: 'help', steps: ['docker run --help >/dev/null', 'docker --help >/dev/null'] },
    {
      name: 'two containers connected by a pipe',
      steps: [
        sh`docker run --rm $image seq 3 | docker run --rm -i $image sh -c 'while read x; do echo "<$x>"; done'`,
      ],
    },
  ],
};

export const STREAMS: Section = {
  title: 'Streams and terminals of run',
  cases: [
    {
      name: 'stdout and stderr are separate',
      steps: [sh`docker run --rm $image sh -c 'echo out; echo err >&2'`],
    },
    { name: 'megabytes of output', steps: ['docker run --rm $image seq 300000 | md5sum'] },
    {
      name: 'bytes that are not text',
      steps: [sh`docker run --rm $image sh -c 'printf "\377\000\001\n"' | od -c`],
    },
    {
      name: 'output without a newline at its end',
      steps: [sh`docker run --rm $image printf 'no newline' | od -c`],
    },
    { name: '-i connects stdin', steps: [sh`printf 'a\nb\n' | docker run --rm -i $image cat`] },
    {
      name: 'without -i stdin is empty',
      steps: [sh`echo lost | docker run --rm $image cat`],
    },
    {
      name: 'the end of stdin reaches the program, and its later output arrives',
      steps: [
        sh`printf x | docker run --rm -i $image sh -c 'cat; sleep 0.5; echo " after"; seq 1000 | tail -1; exit 4'`,
      ],
    },
    {
      name: 'megabytes of input',
      steps: ['seq 300000 | docker run --rm -i $image md5sum'],
    },
    {
      name: 'a program that does not read all of its input',
      steps: ['seq 300000 | docker run --rm -i $image head -1'],
    },
    {
      name: '-a stdout alone',
      steps: [sh`docker run --rm -a stdout $image sh -c 'echo out; echo err >&2; exit 3'`],
    },
    {
      name: '-a stderr alone',
      steps: [sh`docker run --rm -a stderr $image sh -c 'echo out; echo err >&2; exit 3'`],
    },
    {
      name: '-a with a wrong name',
      steps: ['docker run --rm -a stdoops $image true'],
    },
    {
      name: '-a with -d',
      steps: ['docker run --rm -d -a stdout $image true'],
      verdict: {
        is: 'differs',
        why: 'exits with 125, as for every other conflict of flags; Docker exits with 1 here',
      },
    },
    {
      name: '-d prints the long id',
      steps: [
        'docker run -d --name $c $image sh -c "echo hello; exit 3" | tr 0-9a-f x | sort -u',
        'docker wait $c',
        'docker logs $c',
      ],
    },
    {
      name: '-d -i keeps stdin open',
      steps: [
        'docker run -d -i --name $c $image cat',
        'sleep 1',
        "docker inspect -f '{{.State.Status}} {{.Config.OpenStdin}} {{.Config.StdinOnce}}' $c",
      ],
    },
    {
      name: '-d without -i: stdin is at its end',
      steps: [
        'docker run -d --name $c $image sh -c "cat; echo done"',
        'docker wait $c',
        'docker logs $c',
      ],
    },
    {
      name: '-t without -i and without a terminal here',
      steps: [sh`docker run --rm -t $image sh -c 'tty; echo err >&2' | od -c`],
    },
    {
      name: '-it with a stdin that is not a terminal',
      steps: ['echo | docker run --rm -it $image cat'],
    },
    {
      name: '-it: the terminal and its size',
      steps: [
        sh`pty -s 101x37 -- docker run --rm -it $image sh -c 'tty; sleep 0.3; stty size; echo $TERM'`,
      ],
    },
    {
      name: '-it: what is typed',
      steps: [sh`pty '# =echo $((6*7))\n' '42=exit 5\n' -- docker run --rm -it $image sh`],
    },
    {
      name: '-it: ctrl-c reaches the program',
      steps: [
        sh`pty 'ready=\x03' -- docker run --rm -it $image sh -c 'trap "echo interrupted; exit 9" INT; echo ready; while :; do sleep 0.1; done'`,
      ],
    },
    {
      name: '-it: ctrl-d ends its input',
      steps: [
        sh`pty 'ready=abc\n' 'abc=\x04' -- docker run --rm -it $image sh -c 'echo ready; cat >/dev/null; echo end'`,
      ],
    },
    {
      name: '-it: ctrl-p ctrl-q detaches, and run exits with 0',
      steps: [
        sh`pty '# =echo r''eady\n' 'ready=\x10\x11' -- docker run --name $c -it $image sh >/dev/null`,
        "docker inspect -f '{{.State.Status}}' $c",
      ],
    },
    {
      name: '--detach-keys',
      steps: [
        sh`pty '# =echo r''eady\n' 'ready=\x01x' -- docker run --detach-keys ctrl-a,x --name $c -it $image sh >/dev/null`,
        "docker inspect -f '{{.State.Status}}' $c",
      ],
    },
    {
      name: 'invalid --detach-keys',
      steps: ['docker run --rm --detach-keys ctrl-foo -it $image true </dev/null'],
      verdict: { is: 'better', why: 'reported before a terminal is requested' },
    },
    {
      name: 'signals to the client go to the program',
      steps: [
        sh`docker run --name $c $image sh -c 'trap "echo got; exit 5" TERM; echo ready; while :; do sleep 0.1; done' & logged $c ready; kill -TERM $!; wait $!`,
      ],
    },
    {
      name: '--sig-proxy=false: the client survives TERM',
      steps: [
        sh`docker run --sig-proxy=false --name $c $image sh -c 'echo ready; sleep 2; exit 6' & logged $c ready; kill -TERM $!; wait $!`,
        "docker inspect -f '{{.State.ExitCode}}' $c",
      ],
    },
    {
      name: 'the client is killed: the container stays',
      steps: [
        sh`docker run --name $c $image sleep 60 >/dev/null 2>&1 & status $c running; kill -KILL $!; sleep 0.5; docker inspect -f '{{.State.Status}}' $c`,
      ],
    },
    {
      name: 'the reader of the output goes away',
      steps: [sh`docker run --rm $image sh -c 'seq 100000; exit 0' | head -1`],
      verdict: { is: 'better', why: 'no message; `head` has read what it needed' },
    },
  ],
};
