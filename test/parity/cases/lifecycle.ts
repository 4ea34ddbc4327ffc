/** From create to rm: states, conflicts, signals, restarts. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const state = "docker inspect -f '{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}' $c";

export const LIFECYCLE: Section = {
  title: 'create, start, stop, kill, restart, rm',
  cases: [
    {
      name: 'the states',
      steps: [
        'docker create --name $c $image sleep 60',
        state,
        'docker start $c',
        state,
        'docker pause $c',
        state,
        'docker unpause $c',
        state,
        'docker stop -t 0 $c',
        state,
        'docker rm $c',
        state,
      ],
    },
    {
      name: 'start of a running container',
      steps: ['docker run -d --name $c $image sleep 60', 'docker start $c'],
    },
    {
      name: 'start again',
      steps: [
        'docker run --name $c $image sh -c "echo once; exit 3"',
        'docker start $c',
        'docker wait $c',
        'docker logs $c',
      ],
    },
    {
      name: 'start -a',
      steps: [
        'docker create --name $c $image sh -c "echo out; echo err >&2; exit 7"',
        'docker start -a $c',
      ],
    },
    {
      name: 'start -ai',
      steps: ['docker create -i --name $c $image cat', 'echo hello | docker start -ai $c'],
    },
    {
      name: 'start of two containers',
      steps: [
        'docker create --name $c $image sleep 60; docker create --name $c-b $image sleep 60',
        'docker start $c $c-b',
        'docker start -a $c $c-b',
      ],
    },
    {
      name: 'start of an unknown container',
      steps: ['docker start nosuch', 'docker start -a nosuch'],
    },
    {
      name: 'start of a known and an unknown container',
      steps: ['docker create --name $c $image sleep 60', 'docker start nosuch $c', state],
    },
    {
      name: 'a start that fails',
      steps: [
        'docker create --name $c $image /no/such',
        'docker start $c',
        'docker start -a $c',
        state,
        sh`docker inspect -f '{{.State.Error}}' $c | grep -c no/such`,
      ],
    },
    {
      name: 'stop: TERM, and the exit code is the program’s',
      steps: [
        sh`docker run -d --name $c $image sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'; logged $c ready`,
        'docker stop $c',
        state,
      ],
    },
    {
      name: 'stop: KILL after --time',
      steps: [
        'docker run -d --name $c $image sleep 60',
        sh`start=$(date +%s); docker stop -t 2 $c; t=$(($(date +%s) - start)); test $t -ge 2 && test $t -lt 7 && echo in time`,
        state,
      ],
    },
    {
      name: 'stop: the time by --stop-timeout',
      steps: [
        'docker run -d --stop-timeout 1 --name $c $image sleep 60',
        sh`start=$(date +%s); docker stop $c; t=$(($(date +%s) - start)); test $t -ge 1 && test $t -lt 6 && echo in time`,
        "docker inspect -f '{{.Config.StopTimeout}}' $c",
      ],
    },
    {
      name: 'stop: ten seconds by default',
      steps: [
        'docker run -d --name $c $image sleep 60',
        sh`start=$(date +%s); docker stop $c; t=$(($(date +%s) - start)); test $t -ge 10 && test $t -lt 15 && echo in time`,
        state,
      ],
    },
    {
      name: 'stop: the signal by --stop-signal',
      steps: [
        sh`docker run -d --stop-signal USR1 --name $c $image sh -c 'trap "exit 8" USR1; echo ready; while :; do sleep 0.1; done'; logged $c ready`,
        'docker stop $c',
        state,
        "docker inspect -f '{{.Config.StopSignal}}' $c",
      ],
    },
    {
      name: 'stop: the signal by -s',
      steps: [
        sh`docker run -d --name $c $image sh -c 'trap "exit 9" HUP; echo ready; while :; do sleep 0.1; done'; logged $c ready`,
        'docker stop -s HUP $c',
        state,
      ],
      verdict: { is: 'better', why: 'Docker supports it only since version 23' },
    },
    {
      name: 'stop of a stopped, a created and an unknown container',
      steps: [
        'docker create --name $c $image true',
        'docker stop $c',
        'docker start -a $c',
        'docker stop $c',
        'docker stop nosuch',
      ],
    },
    {
      name: 'an invalid --stop-signal',
      steps: [
        'docker create --name $c --stop-signal NOSUCH $image true',
        'docker create --name $c-b --stop-signal 99 $image true',
      ],
      verdict: { is: 'better', why: '99 is refused too' },
    },
    {
      name: 'an invalid --stop-timeout',
      steps: ['docker create --name $c --stop-timeout abc $image true'],
    },
    {
      name: 'kill with a signal',
      steps: [
        sh`docker run -d --name $c $image sh -c 'trap "echo usr1" USR1; trap "exit 4" INT; echo ready; while :; do sleep 0.1; done'; logged $c ready`,
        'docker kill -s USR1 $c; logged $c usr1',
        'docker kill --signal SIGINT $c',
        'docker wait $c',
        'docker logs $c',
      ],
    },
    {
      name: 'kill by a number and in small letters',
      steps: [
        sh`docker run -d --name $c $image sh -c 'trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done'; logged $c ready`,
        'docker kill -s 10 $c; logged $c usr1',
        'docker kill -s kill $c',
        'docker wait $c',
      ],
    },
    {
      name: 'kill with an unknown signal',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker kill -s NOSUCH $c',
        'docker kill -s 0 $c',
        'docker kill -s 99 $c',
      ],
    },
    {
      name: 'kill of a container that does not run',
      steps: ['docker create --name $c $image true', 'docker kill $c', 'docker kill nosuch'],
    },
    {
      name: 'restart',
      steps: [
        sh`docker run -d --name $c $image sh -c 'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done'; logged $c up`,
        'docker restart $c',
        state,
        'sleep 0.5; docker logs $c',
        "docker inspect -f '{{.RestartCount}}' $c",
      ],
    },
    {
      name: 'restart of a stopped container',
      steps: [
        'docker create --name $c $image sleep 60',
        'docker restart -t 0 $c',
        state,
        'docker restart nosuch',
      ],
    },
    {
      name: 'restart --time',
      steps: ['docker run -d --name $c $image sleep 60', 'docker restart -t 0 $c', state],
    },
    {
      name: 'pause and unpause',
      steps: [
        sh`docker run -d --name $c $image sh -c 'while :; do echo tick; sleep 0.1; done'; logged $c tick`,
        'docker pause $c',
        'docker inspect -f "{{.State.Status}} {{.State.Paused}} {{.State.Running}}" $c',
        sh`a=$(docker logs $c | wc -l); sleep 0.6; b=$(docker logs $c | wc -l); test $a = $b && echo still`,
        'docker unpause $c',
        sh`a=$(docker logs $c | wc -l); sleep 0.6; b=$(docker logs $c | wc -l); test $a != $b && echo moving`,
      ],
    },
    {
      name: 'pause twice, unpause twice, not running and unknown',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker pause $c',
        'docker pause $c',
        'docker unpause $c',
        'docker unpause $c',
        'docker kill $c',
        'docker pause $c',
        'docker unpause $c',
        'docker pause nosuch',
      ],
    },
    {
      name: 'what a paused container refuses',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker pause $c',
        'docker start $c',
        'docker exec $c true',
        'docker rm $c',
        'docker attach $c',
        'docker restart -t 0 $c',
        state,
      ],
    },
    {
      name: 'kill of a paused container',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker pause $c',
        'docker kill $c',
        'docker wait $c',
        state,
      ],
    },
    {
      name: 'stop of a paused container',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker pause $c',
        'docker stop -t 1 $c',
        state,
      ],
    },
    {
      name: 'rm -f of a paused container',
      steps: ['docker run -d --name $c $image sleep 60', 'docker pause $c', 'docker rm -f $c'],
    },
    { name: 'rm', steps: ['docker run --name $c $image true', 'docker rm $c', 'docker rm $c'] },
    {
      name: 'rm of a running container',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker rm $c',
        'docker rm -f $c',
        'docker rm -f $c',
        'docker inspect $c',
      ],
    },
    {
      name: 'rm of several, one unknown',
      steps: [
        'docker create --name $c $image true; docker create --name $c-b $image true',
        'docker rm $c nosuch $c-b',
        'docker rm -f nosuch',
      ],
    },
    {
      name: 'rm frees the name',
      steps: [
        'docker create --name $c $image true; docker rm $c',
        'docker create --name $c $image true',
      ],
    },
    {
      name: 'rename',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker rename $c $c-b',
        "docker inspect -f '{{.Name}}' $c-b",
        'docker inspect $c',
        'docker exec $c-b hostname',
        'docker rename $c-b $c-b',
        'docker rename nosuch $c-c',
      ],
    },
    {
      name: 'rename to a name in use, to none, to a wrong one',
      steps: [
        'docker create --name $c $image true; docker create --name $c-b $image true',
        'docker rename $c $c-b',
        'docker rename $c ""',
        'docker rename $c "a b"',
        'docker rename $c',
      ],
    },
    {
      name: 'wait',
      steps: [
        'docker run -d --name $c $image sh -c "sleep 0.5; exit 5"',
        'docker wait $c',
        'docker wait $c',
        'docker wait nosuch',
        'docker wait $c nosuch $c',
      ],
    },
    {
      name: 'wait for a created container',
      steps: [
        sh`docker create --name $c $image sh -c 'exit 5'; (sleep 1; docker start $c >/dev/null) & timeout 10 docker wait $c`,
      ],
    },
    {
      name: 'an exited container is started by name and id at once',
      steps: ['id=$(docker create --name $c $image true); docker start $c $id; docker wait $c'],
    },
    {
      name: 'a daemon with children: stop ends all',
      steps: [
        sh`docker run -d --name $c $image sh -c 'sleep 61 & sleep 61 & echo ready; wait'; logged $c ready`,
        'docker stop -t 1 $c',
        'docker top $c',
      ],
    },
    {
      name: 'container subcommands',
      steps: [
        'docker container create --name $c $image true',
        'docker container start -a $c',
        'docker container rm $c',
        'docker container nosuch',
      ],
    },
  ],
};

const restarts = "docker inspect -f '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' $c";

export const RESTARTS: Section = {
  title: 'Restart policies',
  cases: [
    {
      name: 'on-failure:2',
      steps: [
        'docker run -d --restart on-failure:2 --name $c $image sh -c "echo try; exit 3"; status $c exited; sleep 1; status $c exited',
        restarts,
        'docker logs $c',
      ],
    },
    {
      name: 'on-failure and no failure',
      steps: [
        'docker run -d --restart on-failure --name $c $image true; status $c exited',
        restarts,
      ],
    },
    {
      name: 'always',
      steps: [
        sh`docker run -d --restart always --name $c $image sh -c 'echo up; sleep 0.2'; sleep 3; n=$(docker inspect -f '{{.RestartCount}}' $c); test $n -ge 2 && echo again`,
        'docker stop -t 0 $c; sleep 1',
        "docker inspect -f '{{.State.Status}}' $c",
      ],
    },
    {
      name: 'always: kill disables the policy until the next start',
      steps: [
        'docker run -d --restart always --name $c $image sleep 60',
        'docker kill $c; sleep 1.5',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c",
        'docker start $c',
        sh`kill -9 $(docker inspect -f '{{.State.Pid}}' $c); sleep 1.5; docker inspect -f '{{.State.Status}} {{.RestartCount}}' $c`,
      ],
    },
    {
      name: 'unless-stopped: HUP does not disable the policy',
      steps: [
        sh`docker run -d --restart unless-stopped --name $c $image sh -c 'trap "exit 0" USR1; trap "echo hup" HUP; echo ready; while :; do sleep 0.1; done'; logged $c ready`,
        'docker kill -s HUP $c; logged $c hup',
        'docker kill -s USR1 $c; sleep 2',
        "docker inspect -f '{{.State.Status}}' $c",
      ],
      verdict: { is: 'better', why: 'with Docker any signal disables the policy' },
    },
    {
      name: 'restarting while it waits',
      steps: [
        sh`docker run -d --restart always --name $c $image false; sleep 2; docker inspect -f '{{.State.Restarting}}' $c >/dev/null; status $c restarting && echo seen`,
        'docker stop $c',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c",
      ],
    },
    {
      name: 'stop while it waits for its restart',
      steps: [
        'docker run -d --restart always --name $c $image false; sleep 3; status $c restarting; docker stop $c; sleep 1; docker inspect -f "{{.State.Status}}" $c',
      ],
    },
    {
      name: 'rm -f while it waits',
      steps: [
        'docker run -d --restart always --name $c $image false; sleep 2; docker rm -f $c',
        'docker inspect $c',
      ],
    },
    {
      name: 'invalid policies',
      steps: [
        'docker create --restart nosuch $image true',
        'docker create --restart always:3 $image true',
        'docker create --restart on-failure:-1 $image true',
        'docker create --restart on-failure:x $image true',
      ],
    },
    {
      name: 'the policies in inspect',
      steps: [
        'docker create --name $c --restart on-failure:5 $image true; docker create --name $c-b $image true; docker create --name $c-c --restart no $image true',
        "docker inspect -f '{{json .HostConfig.RestartPolicy}}' $c $c-b $c-c",
      ],
    },
    {
      name: 'a failed start is not tried again',
      steps: [
        'docker run -d --restart always --name $c $image /no/such; sleep 1',
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' $c",
      ],
    },
    {
      // Long runs, so that `wait` begins in the first one and `inspect` looks at the second.
      name: 'wait with a policy',
      steps: [
        'docker run -d --restart on-failure:2 --name $c $image sh -c "sleep 2; exit 3"; timeout 20 docker wait $c',
        `status $c running; ${restarts}`,
      ],
    },
    {
      name: 'update --restart',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker update --restart always $c',
        "docker inspect -f '{{json .HostConfig.RestartPolicy}}' $c",
        sh`kill -9 $(docker inspect -f '{{.State.Pid}}' $c); sleep 1.5; docker inspect -f '{{.State.Status}} {{.RestartCount}}' $c`,
      ],
    },
  ],
};

export const ATTACH: Section = {
  title: 'attach',
  cases: [
    {
      name: 'output and the exit code',
      steps: [
        sh`docker run -d -i --name $c $image sh -c 'read x; echo got; exit 6' >/dev/null; (sleep 1.2; echo line) | timeout 20 docker attach $c`,
      ],
      verdict: { is: 'better', why: 'Docker loses output when stdin ends first' },
    },
    {
      name: 'output while it runs',
      steps: [
        sh`docker run -d --name $c $image sh -c 'sleep 1; echo out; echo err >&2; exit 2' >/dev/null; docker attach $c`,
      ],
    },
    {
      name: '--no-stdin',
      steps: [
        sh`docker run -d -i --name $c $image sh -c 'sleep 1; echo out; exit 2' >/dev/null; echo no | docker attach --no-stdin $c`,
      ],
    },
    {
      name: 'of a container that does not run',
      steps: ['docker create --name $c $image true', 'docker attach $c', 'docker attach nosuch'],
    },
    {
      name: 'detaching by keys exits with 1',
      steps: [
        sh`docker run -dit --name $c $image sh >/dev/null; pty '# =\x10\x11' -- docker attach $c >/dev/null`,
        "docker inspect -f '{{.State.Status}}' $c",
      ],
    },
    {
      name: 'detaching by --detach-keys',
      steps: [
        sh`docker run -dit --name $c $image sh >/dev/null; pty '# =\x01' -- docker attach --detach-keys ctrl-a $c >/dev/null`,
        "docker inspect -f '{{.State.Status}}' $c",
      ],
    },
    {
      name: 'signals are forwarded',
      steps: [
        sh`docker run -d --name $c $image sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null; logged $c ready; docker attach $c & sleep 1; kill -TERM $!; wait $!`,
      ],
    },
    {
      name: '--sig-proxy=false: the client leaves',
      steps: [
        sh`docker run -d --name $c $image sh -c 'echo ready; sleep 3; exit 5' >/dev/null; logged $c ready; docker attach --sig-proxy=false $c & sleep 1; kill -TERM $!; wait $!; echo $?; docker inspect -f '{{.State.Status}}' $c`,
      ],
    },
    {
      name: 'to a terminal without one',
      steps: ['docker run -dit --name $c $image sh', 'echo | docker attach $c'],
    },
    {
      name: 'two clients at the same time see the same',
      steps: [
        sh`docker run -d --name $c $image sh -c 'sleep 1.5; echo both' >/dev/null; docker attach $c >one & docker attach $c >two; wait; cat one two`,
      ],
    },
    {
      name: 'the container is paused',
      steps: ['docker run -d --name $c $image sleep 60; docker pause $c', 'docker attach $c'],
    },
  ],
};
