/** What is shown of containers: `ps`, `inspect`, `top`, `stats`, `events`; and `update`, `prune`. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const up = 'docker run -d --name $c $image sleep 60';

export const PS: Section = {
  title: 'ps',
  cases: [
    {
      name: 'the table',
      steps: [
        'docker run -d --name $c $image sleep 60',
        'docker ps --filter name=$c',
        'docker ps --no-trunc --filter name=$c',
      ],
    },
    {
      name: 'exited, created, paused',
      steps: [
        'docker run --name $c $image sh -c "exit 3"; docker create --name $c-b $image true; docker run -d --name $c-c $image sleep 60; docker pause $c-c',
        "docker ps -a --filter name=$c --format '{{.Names}} {{.Status}} {{.State}}'",
        "docker ps --filter name=$c --format '{{.Names}}'",
      ],
    },
    {
      name: '-q, -aq, --no-trunc',
      steps: [
        up,
        'docker ps -q --filter name=$c',
        'docker ps -aq --no-trunc --filter name=$c',
        sh`docker ps -q --filter name=$c | awk '{print length($0)}'`,
      ],
    },
    {
      name: '-n and -l',
      alone: true,
      steps: [
        'for n in $c $c-b $c-c; do docker create --name $n $image true >/dev/null; done',
        "docker ps -l --format '{{.Names}}'",
        "docker ps -n 2 --format '{{.Names}}'",
        'docker ps -n 2 -q | wc -l',
        'docker ps -n -1 -q | wc -l',
        'docker ps -n x',
        'docker ps -l -n 2 -q | wc -l',
      ],
    },
    {
      name: 'without containers',
      alone: true,
      steps: [
        'docker ps',
        'docker ps -a',
        'docker ps -aq',
        "docker ps -a --format '{{.ID}}'",
        "docker ps -a --format 'table {{.ID}}'",
      ],
    },
    {
      name: 'newest first',
      steps: [
        'for n in $c $c-b $c-c; do docker create --name $n $image true >/dev/null; sleep 0.1; done',
        "docker ps -a --filter name=$c --format '{{.Names}}'",
      ],
    },
    {
      name: '--format',
      steps: [
        'docker create --name $c -l k=v $image sh -c "echo a b"',
        "docker ps -a --filter name=$c --format '{{.Image}}|{{.Command}}|{{.Names}}|{{.State}}|{{.Ports}}|{{.Labels}}|{{.Mounts}}|{{.LocalVolumes}}|{{.Status}}'",
        "docker ps -a --filter name=$c --format 'table {{.Names}}\\t{{.State}}'",
        'docker ps -a --filter name=$c --format \'{{upper .Names}} {{len .ID}} {{.Label "k"}}\'',
      ],
    },
    {
      name: '--format json',
      steps: [
        'docker create --name $c $image true',
        sh`docker ps -a --filter name=$c --format '{{json .}}' | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'`,
        sh`docker ps -a --filter name=$c --format json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["Names"], d["State"], d["Command"])'`,
      ],
      verdict: { is: 'differs', why: 'there is no Platform, which is null with Docker' },
    },
    {
      name: 'an invalid --format',
      steps: [
        'docker create --name $c $image true',
        "docker ps -a --filter name=$c --format '{{.Nope}}'",
        "docker ps --format '{{.ID'",
        "docker ps -a --format '{{nosuch .ID}}'",
      ],
    },
    {
      name: '--filter status',
      steps: [
        'docker create --name $c $image true; docker run -d --name $c-b $image sleep 60; docker run --name $c-c $image true; docker run -d --name $c-d $image sleep 60; docker pause $c-d',
        ...['created', 'running', 'exited', 'paused', 'restarting', 'removing', 'dead'].map(
          (status) =>
            `docker ps -a --filter name=$c --filter status=${status} --format '{{.Names}}'`,
        ),
        'docker ps --filter status=nosuch',
        "docker ps -a --filter name=$c --filter status=created --filter status=exited --format '{{.Names}}'",
        "docker ps --filter name=$c --filter status=exited --format '{{.Names}}'",
      ],
    },
    {
      name: '--filter exited',
      steps: [
        'docker run --name $c $image true; docker run --name $c-b $image sh -c "exit 3"',
        "docker ps -a --filter name=$c --filter exited=3 --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter exited=0 --filter exited=3 --format '{{.Names}}'",
        'docker ps -a --filter exited=x',
        "docker ps --filter name=$c --filter exited=3 --format '{{.Names}}'",
      ],
    },
    {
      name: '--filter name',
      steps: [
        'docker create --name $c $image true; docker create --name $c-b $image true',
        "docker ps -a --filter name=$c-b --format '{{.Names}}'",
        'docker ps -a --filter "name=^$c\\$" --format \'{{.Names}}\'',
        'docker ps -a --filter "name=^/$c\\$" --format \'{{.Names}}\'',
        "docker ps -a --filter name=$c --filter name=nosuch --format '{{.Names}}'",
        "docker ps -a --filter 'name=[' --format '{{.Names}}'",
      ],
      verdict: { is: 'better', why: 'an invalid regular expression is refused' },
    },
    {
      name: '--filter id',
      steps: [
        'docker create --name $c $image true',
        "docker ps -a --filter id=$(docker inspect -f '{{.Id}}' $c | cut -c1-12) --format '{{.Names}}'",
        "docker ps -a --filter id=ffffffffffff --format '{{.Names}}'",
      ],
    },
    {
      name: '--filter label',
      steps: [
        'docker create --name $c -l a=1 $image true; docker create --name $c-b -l a=2 -l b $image true',
        "docker ps -a --filter name=$c --filter label=a --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter label=a=1 --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter label=a --filter label=b --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter label=nosuch --format '{{.Names}}'",
      ],
    },
    {
      name: '--filter before and since',
      steps: [
        'for n in $c $c-b $c-c; do docker create --name $n $image true >/dev/null; sleep 0.1; done',
        "docker ps -a --filter name=$c --filter before=$c-b --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter since=$c-b --format '{{.Names}}'",
        'docker ps -a --filter before=nosuch',
      ],
    },
    {
      name: '--filter health',
      steps: [
        'docker create --name $c $image true',
        "docker ps -a --filter name=$c --filter health=none --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter health=healthy --format '{{.Names}}'",
      ],
    },
    {
      name: '--filter network',
      steps: [
        'docker create --name $c --network none $image true; docker create --name $c-b --network host $image true',
        "docker ps -a --filter name=$c --filter network=none --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter network=host --format '{{.Names}}'",
      ],
    },
    {
      name: '--filter volume',
      steps: [
        'docker create --name $c -v $d:/data $image true; docker create --name $c-b $image true',
        "docker ps -a --filter name=$c --filter volume=/data --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter volume=$d --format '{{.Names}}'",
        "docker ps -a --filter name=$c --filter volume=/nosuch --format '{{.Names}}'",
      ],
    },
    {
      name: 'an invalid --filter',
      steps: ['docker ps --filter nosuch=1', 'docker ps --filter nonsense'],
    },
    {
      name: '-s',
      steps: [
        up,
        sh`docker ps -s --filter name=$c --format '{{.Size}}' | grep -c '^[0-9.]*k*B (virtual '`,
      ],
      verdict: {
        is: 'differs',
        why: 'the size of the writable layer, without the size of the image',
      },
    },
    {
      name: 'container ls and list',
      steps: [
        'docker create --name $c $image true',
        "docker container ls -a --filter name=$c --format '{{.Names}}'",
        "docker container ps -a --filter name=$c --format '{{.Names}}'",
        "docker container list -a --filter name=$c --format '{{.Names}}'",
      ],
    },
    {
      name: 'ps with an argument, with an unknown flag',
      steps: ['docker ps x', 'docker ps --nope'],
    },
  ],
};

export const INSPECT: Section = {
  title: 'inspect',
  cases: [
    {
      name: 'JSON: the names at the top level',
      steps: [
        'docker create --name $c $image true',
        sh`docker inspect $c | python3 -c 'import json,sys; d=json.load(sys.stdin)[0]; print(*sorted(d), sep="\n")'`,
      ],
    },
    {
      name: 'JSON: the state',
      steps: [
        'docker create --name $c $image true',
        "docker inspect -f '{{json .State}}' $c",
        'docker run -d --name $c-b $image sleep 60',
        sh`docker inspect -f '{{json .State}}' $c-b | sed 's/"Pid":[0-9]*/"Pid":N/'`,
      ],
    },
    {
      name: 'JSON: the names of Config',
      steps: [
        'docker create --name $c $image true',
        sh`docker inspect -f '{{json .Config}}' $c | python3 -c 'import json,sys; print(*sorted(json.load(sys.stdin)), sep="\n")'`,
      ],
    },
    {
      name: 'JSON: the names of HostConfig',
      steps: [
        'docker create --name $c $image true',
        sh`docker inspect -f '{{json .HostConfig}}' $c | python3 -c 'import json,sys; print(*sorted(json.load(sys.stdin)), sep="\n")'`,
      ],
    },
    {
      name: 'JSON: Config',
      steps: [
        'docker create --name $c -h box -u user -w /tmp -e A=1 -l a=b -it $image sh -c "echo x"',
        ...[
          'Hostname',
          'User',
          'WorkingDir',
          'Labels',
          'Tty',
          'OpenStdin',
          'StdinOnce',
          'AttachStdin',
          'AttachStdout',
          'Cmd',
          'Entrypoint',
        ].map((member) => `docker inspect -f '{{json .Config.${member}}}' $c`),
      ],
    },
    {
      name: 'JSON: HostConfig',
      steps: [
        'docker create --name $c --read-only --rm --tmpfs /t -v $d:/d:ro --dns 1.1.1.1 --add-host a:1.2.3.4 --cap-drop ALL --security-opt no-new-privileges --device /dev/null $image true',
        ...[
          'ReadonlyRootfs',
          'AutoRemove',
          'Tmpfs',
          'Binds',
          'Dns',
          'ExtraHosts',
          'CapDrop',
          'SecurityOpt',
          'Devices',
          'Privileged',
          'PidsLimit',
          'ShmSize',
          'OomScoreAdj',
        ].map((member) => `docker inspect -f '{{json .HostConfig.${member}}}' $c`),
      ],
    },
    {
      name: 'JSON: masked paths of /proc and /sys',
      steps: [
        'docker create --name $c $image true',
        "docker inspect -f '{{json .HostConfig.MaskedPaths}}' $c",
      ],
      verdict: { is: 'better', why: 'two more paths, which Docker has since 28' },
    },
    {
      name: 'JSON: the environment',
      steps: [
        'docker create --name $c -e A=1 -e A=2 -e B= $image true',
        sh`docker inspect -f '{{range .Config.Env}}{{println .}}{{end}}' $c | grep -v '^PATH=' | grep . | sort`,
      ],
    },
    {
      name: 'JSON: Mounts',
      steps: [
        'mkdir e; docker create --name $c -v $d:/d:ro --mount type=bind,source=$d/e,target=/e $image true',
        sh`docker inspect -f '{{json .Mounts}}' $c | python3 -c 'import json,sys; [print(sorted(m.items())) for m in sorted(json.load(sys.stdin), key=lambda m: m["Destination"])]'`,
      ],
    },
    {
      name: 'JSON: NetworkSettings',
      steps: [
        'docker create --name $c --network none $image true',
        sh`docker inspect -f '{{json .NetworkSettings}}' $c | python3 -c 'import json,sys; print(*sorted(json.load(sys.stdin)), sep="\n")'`,
        sh`docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}} {{.HostConfig.NetworkMode}}' $c`,
      ],
    },
    {
      name: '--format',
      steps: [
        'docker create --name $c -e A=1 $image echo a b',
        ...[
          '{{.Path}} {{.Args}}',
          '{{join .Args ","}}',
          '{{index .Args 0}}',
          '{{len .Args}}',
          '{{range .Args}}<{{.}}>{{end}}',
          '{{if .State.Running}}up{{else}}down{{end}}',
          '{{json .Args}}',
          '{{printf "%s-%d" .Path .State.ExitCode}}',
          '{{.Name | upper}}',
          '{{with .Config}}{{.Tty}}{{end}}',
          '{{title "abc"}} {{lower "ABC"}}',
          '{{split "a,b" ","}}',
          '{{range $i, $a := .Args}}{{$i}}={{$a}} {{end}}',
          '{{println .Path}}x',
          '{{.Config.Labels}}',
          '{{eq .Path "echo"}} {{and true .State.Running}} {{not true}}',
          '{{slice .Path 1 3}}',
          '{{/* nothing */}}a{{- " b" -}} c',
        ].map((format) => `docker inspect -f '${format}' $c`),
      ],
    },
    {
      name: 'an invalid --format',
      steps: [
        'docker create --name $c $image true',
        "docker inspect -f '{{.Nope}}' $c",
        "docker inspect -f '{{.State.Nope}}' $c",
        "docker inspect -f '{{' $c",
        "docker inspect -f '{{nosuch}}' $c",
        "docker inspect -f '{{index .Args 5}}' $c",
      ],
    },
    {
      name: 'an unknown container',
      steps: [
        'docker inspect nosuch',
        "docker inspect -f '{{.Id}}' nosuch",
        'docker create --name $c $image true',
        "docker inspect -f '{{.Name}}' nosuch $c",
        'docker inspect',
      ],
    },
    {
      name: 'several',
      steps: [
        'docker create --name $c $image true; docker create --name $c-b $image true',
        "docker inspect -f '{{.Name}}' $c $c-b",
      ],
    },
    {
      name: '--type and -s',
      steps: [
        'docker create --name $c $image true',
        "docker inspect --type container -f '{{.Name}}' $c",
        'docker inspect --type nosuch $c',
        "docker inspect -s -f '{{.SizeRw}}' $c",
        "docker container inspect -f '{{.Name}}' $c",
        'docker container inspect nosuch',
      ],
    },
    {
      name: 'times',
      steps: [
        'docker create --name $c $image true',
        "docker inspect -f '{{.State.StartedAt}} {{.State.FinishedAt}}' $c | sed s/0001-01-01T00:00:00Z/never/g",
        'docker start -a $c',
        sh`docker inspect -f '{{.Created}}' $c | grep -cE '^[0-9-]{10}T[0-9:]{8}\.[0-9]+Z$'`,
        sh`docker inspect -f '{{.State.StartedAt}}' $c | grep -cE '^[0-9-]{10}T[0-9:]{8}\.[0-9]+Z$'`,
      ],
    },
    {
      name: 'the pid is a process of the host',
      steps: [
        up,
        sh`cat /proc/$(docker inspect -f '{{.State.Pid}}' $c)/comm`,
        'docker kill $c; docker wait $c',
        "docker inspect -f '{{.State.Pid}}' $c",
      ],
    },
  ],
};

export const USAGE: Section = {
  title: 'top, stats, update, events, prune',
  cases: [
    {
      name: 'top',
      steps: [
        up,
        sh`docker top $c | head -1 | tr -s ' '`,
        sh`docker top $c | awk 'NR>1 {print $NF, $(NF-1)}'`,
      ],
    },
    {
      name: 'top with options for ps',
      steps: [
        up,
        sh`docker top $c -o pid,comm | awk '{print $2}'`,
        'docker top $c -o nosuch',
        sh`docker top $c aux | head -1 | tr -s ' '`,
      ],
    },
    {
      name: 'top of a container that does not run',
      steps: ['docker create --name $c $image true', 'docker top $c', 'docker top nosuch'],
    },
    {
      name: 'top of a paused container',
      steps: [up, 'docker pause $c', sh`docker top $c | awk 'NR>1 {print $NF}'`],
    },
    {
      name: 'stats --no-stream',
      steps: [
        up,
        'docker stats --no-stream $c | head -1',
        "docker stats --no-stream --format '{{.Name}} {{.PIDs}}' $c",
        sh`docker stats --no-stream --format '{{.CPUPerc}}' $c | grep -cE '^[0-9.]+%$'`,
        sh`docker stats --no-stream --format '{{.MemUsage}}' $c | grep -cE '^[0-9.]+[KMG]?i?B / [0-9.]+GiB$'`,
      ],
    },
    {
      name: 'stats with a limit',
      steps: [
        'docker run -d -m 64m --name $c $image sleep 60',
        sh`docker stats --no-stream --format '{{.MemUsage}}' $c | cut -d/ -f2`,
      ],
    },
    {
      name: 'stats of containers that do not run',
      steps: [
        'docker create --name $c $image true',
        "docker stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.PIDs}}' $c",
        'docker stats --no-stream nosuch',
      ],
    },
    {
      name: 'stats --format json',
      steps: [
        up,
        sh`docker stats --no-stream --format '{{json .}}' $c | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'`,
      ],
    },
    {
      name: 'update -m',
      steps: [
        'docker run -d -m 64m --memory-swap 64m --name $c $image sleep 60',
        'docker update -m 32m $c',
        'docker exec $c cat /sys/fs/cgroup/memory/memory.limit_in_bytes',
        "docker inspect -f '{{.HostConfig.Memory}}' $c",
        'docker update -m 128m $c',
        'docker update -m 128m --memory-swap 256m $c',
        "docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' $c",
      ],
    },
    {
      name: 'update --cpus, -c, --pids-limit, --cpuset-cpus',
      steps: [
        up,
        'docker update --cpus 0.5 -c 256 --pids-limit 44 --cpuset-cpus 0 $c',
        'docker exec $c cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpuset/cpuset.cpus',
        "docker inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}} {{.HostConfig.CpusetCpus}}' $c",
      ],
    },
    {
      name: 'update of a stopped container',
      steps: [
        'docker create --name $c $image cat /sys/fs/cgroup/cpu/cpu.shares',
        'docker update -c 256 $c',
        'docker start -a $c',
      ],
    },
    {
      name: 'an invalid update',
      steps: [
        up,
        'docker update -m 1m $c',
        'docker update -m lots $c',
        'docker update $c',
        'docker update -c 256 nosuch',
        'docker update --restart nosuch $c',
        'docker update --cpuset-cpus 999 $c',
      ],
    },
    {
      name: 'update --restart with --rm',
      steps: ['docker run -d --rm --name $c $image sleep 60', 'docker update --restart always $c'],
    },
    {
      name: 'events: the life of a container',
      steps: [
        sh`since=$(date +%s); docker run --name $c $image true; docker rm $c >/dev/null; sleep 1; docker events --since $since --until $(date +%s) --filter type=container --filter container=$c --format '{{.Action}}' | grep -v attach`,
      ],
    },
    {
      name: 'events: kill, stop, pause, rename, restart',
      steps: [
        sh`since=$(date +%s); docker run -d --name $c $image sleep 60 >/dev/null; docker pause $c; docker unpause $c; docker kill -s CONT $c; docker stop -t 0 $c; docker start $c; docker restart -t 0 $c; docker kill $c; docker wait $c; sleep 1; docker events --since $since --until $(date +%s) --filter container=$c --filter type=container --format '{{.Action}}'`,
      ],
    },
    {
      name: 'events: attributes',
      steps: [
        sh`since=$(date +%s); docker run -l a=b --name $c $image sh -c 'exit 3'; sleep 1; docker events --since $since --until $(date +%s) --filter container=$c --filter event=die --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}} {{.Actor.Attributes.a}} {{.Type}}'`,
      ],
    },
    {
      name: 'events: the default form',
      steps: [
        sh`since=$(date +%s); docker create --name $c $image true >/dev/null; sleep 1; docker events --since $since --until $(date +%s) --filter container=$c --filter event=create`,
      ],
    },
    {
      name: 'events: filters',
      steps: [
        sh`since=$(date +%s); docker create -l x=$c --name $c $image true >/dev/null; docker create --name $c-b $image true >/dev/null; docker start -a $c; sleep 1; docker events --since $since --until $(date +%s) --filter label=x=$c --filter event=create --filter event=start --format '{{.Action}} {{.Actor.Attributes.name}}'`,
        'docker events --filter nosuch=1 --since 1 --until 2',
        'docker events --since nonsense --until 2',
      ],
      verdict: { is: 'better', why: 'an unknown filter is refused' },
    },
    {
      name: 'events as they come',
      steps: [
        sh`timeout 4 docker events --filter container=$c --filter event=start --format '{{.Action}}' >seen & sleep 1; docker run --name $c $image true; wait; cat seen`,
      ],
    },
    {
      name: 'events: exec',
      steps: [
        sh`since=$(date +%s); docker run -d --name $c $image sleep 60 >/dev/null; docker exec $c true; sleep 1; docker events --since $since --until $(date +%s) --filter container=$c --filter type=container --format '{{.Action}}'`,
      ],
    },
    {
      name: 'container prune',
      alone: true,
      steps: [
        'docker create --name $c $image true >/dev/null; docker run --name $c-b $image true; docker run -d --name $c-c $image sleep 60 >/dev/null',
        sh`docker container prune -f | sed 's/[0-9.]*k\?B$/N/'`,
        "docker ps -a --format '{{.Names}}'",
        'docker container prune -f | head -1',
      ],
    },
    {
      name: 'container prune with filters, and refused by the user',
      alone: true,
      steps: [
        'docker create -l keep=1 --name $c $image true >/dev/null; docker create --name $c-b $image true >/dev/null',
        'docker container prune -f --filter label!=keep | head -2',
        "docker ps -a --format '{{.Names}}'",
        'docker container prune -f --filter until=1h | head -1',
        "docker ps -a --format '{{.Names}}'",
        'docker container prune -f --filter nosuch=1',
        'echo n | docker container prune >/dev/null',
        "docker ps -a --format '{{.Names}}'",
      ],
    },
    {
      name: 'version',
      steps: [
        'docker version >/dev/null',
        "docker version --format '{{.Client.Version}}' | grep -c '^[0-9.]*$'",
        'docker --version | wc -l',
        'docker -v | wc -l',
      ],
    },
  ],
};

export const INFO: Section = {
  title: 'info',
  cases: [
    {
      name: 'the machine',
      steps: [
        "docker info --format '{{.NCPU}} {{.MemTotal}} {{.Name}} {{.KernelVersion}}'",
        "docker info -f '{{.OSType}} {{.Architecture}} {{.OperatingSystem}}'",
        "docker info -f '{{.CgroupDriver}} {{.CgroupVersion}}'",
        "docker info -f '{{.MemoryLimit}} {{.PidsLimit}} {{.CPUShares}} {{.CPUSet}} {{.OomKillDisable}}'",
        "docker info --format '{{json .}}' | grep -c NCPU",
      ],
    },
    {
      name: 'containers',
      alone: true,
      steps: [
        'docker run -d --name $c $image sleep 60; docker run -d --name $c-b $image sleep 60; docker pause $c-b; docker create --name $c-c $image true',
        "docker info -f '{{.Containers}} {{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}}'",
      ],
    },
    {
      name: 'errors',
      steps: [
        "docker info -f '{{.NoSuchThing}}'",
        "docker info -f '{{'",
        'docker info one',
        'docker info --nope',
      ],
    },
  ],
};
