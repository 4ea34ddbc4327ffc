/** `logs`, and what is kept of output. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const five =
  'docker run --name $c $image sh -c "for i in 1 2 3 4 5; do echo line $i; done; echo err >&2" >/dev/null 2>&1';

export const LOGS: Section = {
  title: 'logs',
  cases: [
    { name: 'stdout and stderr are separate', steps: [five, 'docker logs $c'] },
    {
      name: '-n',
      steps: [
        'docker run --name $c $image seq 5 >/dev/null',
        'docker logs -n 2 $c',
        'docker logs --tail 0 $c',
        'docker logs --tail all $c',
        'docker logs --tail 100 $c',
        'docker logs -n -1 $c',
      ],
    },
    {
      name: '--tail abc',
      steps: ['docker run --name $c $image seq 3 >/dev/null', 'docker logs --tail abc $c'],
      verdict: { is: 'better', why: 'refused; Docker takes it to mean all lines' },
    },
    {
      name: '-t',
      steps: [
        'docker run --name $c $image seq 3 >/dev/null',
        'docker logs -t $c',
        sh`docker logs -t $c | grep -cE '^[0-9-]{10}T[0-9:]{8}\.[0-9]{9}Z [0-9]$'`,
      ],
    },
    {
      name: '-f ends with the container',
      steps: [
        sh`docker run -d --name $c $image sh -c 'for i in 1 2 3 4 5; do echo $i; sleep 0.2; done' >/dev/null; docker logs -f $c`,
      ],
    },
    {
      name: '-f of an exited container',
      steps: ['docker run --name $c $image seq 3 >/dev/null', 'timeout 10 docker logs -f $c'],
    },
    {
      name: '-f loses nothing at the end',
      steps: ['docker run -d --name $c $image seq 100000 >/dev/null; docker logs -f $c | md5sum'],
    },
    {
      name: '-f -n 0',
      steps: [
        sh`docker run -d --name $c $image sh -c 'echo old; sleep 1.5; echo new' >/dev/null; logged $c old; docker logs -f -n 0 $c`,
      ],
    },
    {
      name: '-f over a restart',
      steps: [
        sh`docker run -d --restart on-failure:1 --name $c $image sh -c 'echo up; sleep 0.5; exit 1' >/dev/null; timeout 15 docker logs -f $c`,
      ],
      verdict: { is: 'better', why: 'continues until the container is not started again' },
    },
    {
      name: '--since and --until, relative',
      steps: [
        'docker run --name $c $image seq 3 >/dev/null',
        'docker logs --since 10m $c',
        'sleep 3; docker logs --since 1s $c',
        'docker logs --until 10m $c',
        'docker logs --until 0s $c',
      ],
    },
    {
      name: '--since and --until, times',
      steps: [
        'docker run --name $c $image seq 3 >/dev/null',
        'docker logs --since 2020-01-01 $c',
        'docker logs --since 2020-01-01T00:00:00Z --until 2020-01-02T00:00:00Z $c',
        'docker logs --since 1577836800 $c',
        'docker logs --since 1577836800.5 $c',
        'docker logs --since 2999-01-01 $c',
      ],
    },
    {
      name: '--since between two lines',
      steps: [
        sh`docker run --name $c $image sh -c 'echo one; sleep 1; echo two' >/dev/null; t=$(docker logs -t $c | tail -1 | cut -d' ' -f1); docker logs --since $t $c; echo --; docker logs --until $t $c`,
      ],
    },
    {
      name: '--since with an invalid time',
      steps: [
        'docker run --name $c $image seq 3 >/dev/null',
        'docker logs --since yesterday $c',
        'docker logs --until nonsense $c',
      ],
    },
    {
      name: '--details',
      steps: ['docker run --name $c $image seq 2 >/dev/null', 'docker logs --details $c'],
    },
    {
      name: 'of a container that was never started',
      steps: ['docker create --name $c $image true', 'docker logs $c', 'docker logs nosuch'],
    },
    {
      name: 'a line without a newline',
      steps: [sh`docker run --name $c $image printf 'a\nb' >/dev/null`, 'docker logs $c | od -c'],
    },
    {
      name: 'an unfinished line, while it runs',
      steps: [
        sh`docker run -d --name $c $image sh -c 'printf unfinished; sleep 60' >/dev/null; sleep 1`,
        'docker logs $c',
      ],
      verdict: { is: 'better', why: 'shown at once; Docker holds it back until it is complete' },
    },
    {
      name: 'bytes that are not UTF-8',
      steps: [
        sh`docker run --name $c $image printf '\377\376\n' >/dev/null`,
        'docker logs $c | od -c',
      ],
      verdict: { is: 'better', why: 'unchanged; Docker replaces them' },
    },
    {
      name: 'long lines',
      steps: [
        sh`docker run --name $c $image sh -c 'head -c 100000 /dev/zero | tr "\0" x; echo' >/dev/null`,
        'docker logs $c | wc',
        'docker logs -n 1 $c | wc',
      ],
      verdict: { is: 'better', why: 'lines are counted; Docker counts parts of 16 KiB' },
    },
    {
      name: 'a terminal',
      steps: [
        'docker run -d -t --name $c $image sh -c "echo out; echo err >&2"; docker wait $c',
        'docker logs $c | od -c',
      ],
    },
    {
      name: '-d and stdin: the log of both runs',
      steps: ['docker run --name $c $image echo run; docker start -a $c', 'docker logs $c'],
    },
    {
      name: '--log-driver none',
      steps: [
        'docker run --log-driver none --name $c $image echo x',
        'docker logs $c',
        "docker inspect -f '{{.HostConfig.LogConfig.Type}}' $c",
      ],
    },
    { name: 'an unknown --log-driver', steps: ['docker create --log-driver nosuch $image true'] },
    {
      name: '--log-opt max-size and max-file',
      steps: [
        sh`docker run --log-opt max-size=10k --log-opt max-file=2 --name $c $image seq 20000 >/dev/null`,
        'docker logs $c | tail -1',
        sh`test $(docker logs $c | wc -l) -lt 5000 && echo rotated`,
        "docker inspect -f '{{json .HostConfig.LogConfig}}' $c",
      ],
      verdict: { is: 'differs', why: 'inspect shows max-size in bytes, not in the given form' },
    },
    {
      name: 'an invalid --log-opt',
      steps: [
        'docker create --log-opt nosuch=1 $image true',
        'docker create --log-opt max-size=abc $image true',
        'docker create --log-opt max-file=0 $image true',
      ],
      verdict: {
        is: 'better',
        why: 'invalid sizes and numbers are refused at once; Docker fails at the start',
      },
    },
    {
      name: 'the file is JSON lines',
      steps: [
        sh`docker run --name $c $image sh -c 'echo out; sleep 0.2; echo "<&>\"" >&2' >/dev/null 2>&1`,
        sh`python3 -c 'import json,sys; [print(*sorted(json.loads(l).items())) for l in sys.stdin]' <$(docker inspect -f '{{.LogPath}}' $c)`,
        sh`stat -c %a $(docker inspect -f '{{.LogPath}}' $c)`,
      ],
    },
    {
      name: 'ten megabytes',
      steps: [
        'docker run --log-opt max-size=100m --name $c $image seq 700000 >/dev/null; docker logs $c | md5sum',
      ],
    },
  ],
};
