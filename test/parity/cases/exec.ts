/** `exec`. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const up = 'docker run -d --name $c $image sleep 60';

export const EXEC: Section = {
  title: 'exec',
  cases: [
    {
      name: 'output and exit code',
      steps: [up, sh`docker exec $c sh -c 'echo out; echo err >&2; exit 9'`],
    },
    {
      name: '-i',
      steps: [up, sh`printf 'a\nb\n' | docker exec -i $c cat`, 'echo lost | docker exec $c cat'],
    },
    {
      name: 'the end of stdin, and output after it',
      steps: [up, sh`printf x | docker exec -i $c sh -c 'cat; sleep 0.5; echo after; exit 3'`],
    },
    { name: 'megabytes both ways', steps: [up, 'seq 300000 | docker exec -i $c cat | md5sum'] },
    {
      name: '-t without a terminal',
      steps: [
        up,
        sh`docker exec -t $c sh -c 'tty; echo x' | od -c`,
        'echo | docker exec -it $c cat',
      ],
    },
    {
      name: '-it',
      steps: [up, sh`pty -s 90x30 '# =stty size; exit 4\n' -- docker exec -it $c sh`],
    },
    {
      name: 'detaching by keys exits with 1',
      steps: [up, sh`pty '# =\x10\x11' -- docker exec -it $c sh >/dev/null`],
    },
    {
      name: '-d',
      steps: [
        up,
        'docker exec -d $c sh -c "echo x >/made; sleep 5"',
        'sleep 0.5; docker exec $c cat /made',
        'docker exec -d $c /no/such',
      ],
      verdict: { is: 'better', why: 'exits with 126, as without -d' },
    },
    {
      name: '-e, --env-file',
      steps: [
        sh`printf 'FILE=1\nBOTH=file\n' >env`,
        'docker run -d --name $c -e OWN=c $image sleep 60',
        sh`docker exec -e A=1 -e BOTH=flag --env-file env $c sh -c 'echo $A $FILE $BOTH $OWN'`,
      ],
    },
    {
      name: 'HOME, HOSTNAME, PATH',
      steps: [
        up,
        sh`docker exec $c env | sed 's/^HOSTNAME=.*/HOSTNAME/' | grep -v SHLVL | sort`,
        sh`docker exec -u user $c env | sed 's/^HOSTNAME=.*/HOSTNAME/' | grep -v SHLVL | sort`,
      ],
    },
    { name: '-t sets TERM', steps: [up, sh`docker exec -t $c env | grep TERM`] },
    {
      name: '-w',
      steps: [
        up,
        'docker exec -w /tmp $c pwd',
        'docker exec -w /no/such $c pwd',
        'docker exec -w relative $c pwd',
      ],
      verdict: {
        is: 'better',
        why: 'the message is on stderr; Docker writes it to stdout, mixed with the data',
      },
    },
    {
      name: 'the container’s user and directory',
      steps: [
        'docker run -d --name $c -u user -w /tmp $image sleep 60',
        sh`docker exec $c sh -c 'id; pwd'`,
        'docker exec -u 0 $c id',
        'docker exec -u 1234:5678 $c id',
      ],
    },
    {
      name: '-u with an unknown user',
      steps: [up, 'docker exec -u nosuch $c id'],
      verdict: {
        is: 'better',
        why: 'the message is on stderr; Docker writes it to stdout, mixed with the data',
      },
    },
    {
      name: '--privileged',
      steps: [
        up,
        'docker exec --privileged $c grep CapEff /proc/self/status',
        'docker exec $c grep CapEff /proc/self/status',
        'docker exec -u user $c grep CapEff /proc/self/status',
      ],
      verdict: {
        is: 'better',
        why: 'works if the machine itself lacks a capability; Docker fails',
      },
    },
    {
      name: 'a program that is not there',
      steps: [
        up,
        'docker exec $c /no/such',
        'docker exec $c nosuch',
        'docker exec $c /etc/passwd',
        'docker exec $c /etc',
      ],
      verdict: {
        is: 'better',
        why: 'the message is on stderr; Docker writes it to stdout, mixed with the data',
      },
    },
    {
      name: 'of a container that does not run',
      steps: [
        'docker create --name $c $image true',
        'docker exec $c true',
        'docker exec nosuch true',
      ],
    },
    { name: 'of a paused container', steps: [up, 'docker pause $c', 'docker exec $c true'] },
    {
      name: 'without a command, with an unknown flag',
      steps: [up, 'docker exec $c', 'docker exec --nope $c true', 'docker exec'],
    },
    {
      name: 'killed by a signal',
      steps: [up, sh`docker exec $c sh -c 'kill -9 $$'`, sh`docker exec $c sh -c 'kill -TERM $$'`],
    },
    {
      name: 'the container ends while it runs',
      steps: [up, sh`docker exec $c sleep 30 & sleep 1; docker kill $c; wait $!`],
    },
    {
      name: 'TERM to its client',
      steps: [up, sh`docker exec $c sleep 3 & sleep 1; kill -TERM $!; wait $!`],
      verdict: {
        is: 'better',
        why: 'the program ends with its client; with Docker it continues to run and cannot be killed',
      },
    },
    {
      name: 'twenty in sequence',
      steps: [up, sh`for i in $(seq 20); do docker exec $c echo $i; done`],
    },
    {
      name: 'six at the same time',
      steps: [
        up,
        sh`for i in 1 2 3 4 5 6; do docker exec $c sh -c "sleep 0.3; echo $i" >$i & done; wait; cat 1 2 3 4 5 6`,
      ],
    },
    {
      name: 'sees the processes of the container',
      steps: [up, sh`docker exec $c ps -o pid,comm | head -2`],
    },
    {
      name: 'is subject to the limits',
      steps: [
        'docker run -d --name $c -m 64m --pids-limit 30 $image sleep 60',
        'docker exec $c cat /sys/fs/cgroup/memory/memory.limit_in_bytes',
        sh`docker exec $c sh -c 'cat /proc/self/cgroup | cut -d: -f2 | sort | head -3'`,
      ],
    },
    {
      name: 'invalid --detach-keys',
      steps: [up, 'docker exec --detach-keys ctrl-foo $c true'],
    },
  ],
};
