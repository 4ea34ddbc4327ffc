/** Flags of `run` and `create`: names, environment, users, files. */
import type { Section } from '../parity-case.js';

const sh = String.raw;

export const NAMES: Section = {
  title: 'Names, ids, labels, --rm, --cidfile',
  cases: [
    {
      name: 'a name in use',
      steps: [
        'docker create --name $c $image true',
        'docker create --name $c $image true',
        'docker run --name $c $image true',
      ],
    },
    {
      name: 'invalid names',
      steps: [
        'docker create --name a $image true',
        "docker create --name 'a b' $image true",
        'docker run --name -x $image true',
        'docker create --name /$c $image true',
        "docker inspect -f '{{.Name}}' $c",
      ],
    },
    {
      name: 'a name is generated',
      steps: [
        sh`id=$(docker create $image true); docker inspect -f '{{.Name}}' $id | grep -cE '^/[a-z]+_[a-z]+[0-9]?$'; docker rm $id`,
      ],
    },
    {
      name: 'by long id, short id, prefix and name',
      steps: [
        sh`id=$(docker create --name $c $image true); for ref in $id $(echo $id | cut -c1-12) $(echo $id | cut -c1-20) $c; do docker inspect -f '{{.Name}}' $ref; done`,
      ],
    },
    {
      name: 'an ambiguous prefix',
      alone: true,
      steps: [
        sh`for i in $(seq 17); do docker create --label case=$c $image true; done | cut -c1 | sort | uniq -d | head -1 >prefix; docker inspect $(cat prefix); docker rm $(cat prefix)`,
        'docker rm $(docker ps -aq --filter label=case=$c) >/dev/null',
      ],
    },
    {
      name: 'a name that is the prefix of an id of another',
      steps: [
        sh`id=$(docker create --name $c $image true); short=$(echo $id | cut -c1-8); docker create --name $short $image false; docker inspect -f '{{.Path}}' $short; docker rm $short >/dev/null`,
      ],
    },
    {
      name: '--rm removes',
      steps: ['docker run --rm --name $c $image true', 'docker inspect $c'],
    },
    {
      name: '--rm with -d',
      steps: [
        sh`docker run -d --rm --name $c $image sleep 1; docker wait $c; sleep 0.5; docker inspect $c`,
      ],
    },
    { name: '--rm with --restart', steps: ['docker run --rm --restart always $image true'] },
    {
      name: '--rm and stop',
      steps: [
        sh`docker run -d --rm --name $c $image sleep 60; docker stop -t 0 $c; sleep 1; docker inspect $c`,
      ],
    },
    {
      name: '--cidfile',
      steps: [
        sh`docker create --name $c --cidfile $d/id $image true; cat $d/id | wc -c; docker inspect -f '{{.Name}}' $(cat $d/id)`,
        'docker run --cidfile $d/id $image true',
        'docker create --cidfile $d/id $image true',
        'docker create --name $c --cidfile $d/other $image true',
        'ls $d',
      ],
    },
    {
      name: '--cidfile when the start fails',
      steps: ['docker run --name $c --cidfile $d/id $image /no/such', 'wc -c <$d/id'],
    },
    {
      name: 'labels',
      steps: [
        sh`printf '# comment\nfile=1\nboth=file\n' >labels`,
        'docker create --name $c -l a=1 -l b --label both=flag --label-file labels $image true',
        "docker inspect -f '{{json .Config.Labels}}' $c",
        'docker ps -a --filter label=b --filter label=a=1 --filter name=$c --format \'{{.Label "both"}}\'',
      ],
    },
    {
      name: 'a --label-file that does not exist',
      steps: ['docker create --label-file nosuch $image true'],
    },
    {
      name: '--pull never, --platform, -q',
      steps: ['docker run --rm --pull never --platform linux/amd64 -q $image echo well'],
    },
    { name: '--pull with a wrong word', steps: ['docker run --rm --pull sometimes $image true'] },
  ],
};

export const ENVIRONMENT: Section = {
  title: 'Environment, users, working directory, host name',
  cases: [
    {
      name: 'the default environment',
      steps: [sh`docker run --rm -h box $image env | grep -v '^SHLVL' | sort`],
    },
    {
      name: '-e with and without a value',
      steps: [
        sh`GIVEN=here docker run --rm -e A=1 -e GIVEN -e NOSUCH -e EMPTY= -e 'S=a b' $image env | grep -E '^(A|GIVEN|NOSUCH|EMPTY|S)=' | sort`,
      ],
    },
    {
      name: '--env-file',
      steps: [
        sh`printf '# comment\n\nA=1\n  B=2\nQ="quoted"\nGIVEN\nNOSUCH\nE=x=y\nHASH=a # b\n' >env`,
        sh`GIVEN=here docker run --rm --env-file env -e A=flag $image env | grep -E '^(A|B|Q|GIVEN|NOSUCH|E|HASH)=' | sort`,
      ],
    },
    {
      name: 'an --env-file that does not exist',
      steps: ['docker run --rm --env-file nosuch $image true'],
    },
    {
      name: '--env-file with a name that has a space',
      steps: [sh`printf 'a b=1\n' >env; docker run --rm --env-file env $image true`],
    },
    {
      name: 'PATH can be replaced',
      steps: [
        'docker run --rm -e PATH=/usr/bin $image /bin/sh -c "echo $PATH" >/dev/null',
        'docker run --rm -e PATH=/nowhere $image true',
      ],
    },
    {
      name: '-u by name, by number, with a group',
      steps: [
        'docker run --rm -u user $image id',
        'docker run --rm -u 1000 $image id',
        'docker run --rm -u 1234:5678 $image id',
        'docker run --rm -u user:audio $image id',
        'docker run --rm -u nobody --group-add audio --group-add 77 $image id',
      ],
    },
    { name: '-u with an unknown user', steps: ['docker run --rm -u nosuch $image id'] },
    {
      name: '-u with an unknown group',
      steps: ['docker run --rm -u root:nosuch $image id'],
    },
    {
      name: 'HOME is the user’s',
      steps: [
        sh`docker run --rm -u user $image sh -c 'echo $HOME'`,
        sh`docker run --rm -u 4321 $image sh -c 'echo $HOME'`,
      ],
    },
    {
      name: '-w with a directory that is created',
      steps: ['docker run --rm -w /tmp $image pwd', 'docker run --rm -w /new/er $image pwd'],
    },
    { name: '-w with a file', steps: ['docker run --rm -w /etc/passwd $image pwd'] },
    { name: '-w with a relative path', steps: ['docker run --rm -w relative $image pwd'] },
    {
      name: '--entrypoint',
      steps: [
        'docker run --rm --entrypoint echo $image a b',
        'docker run --rm --entrypoint "" $image echo c',
        'docker create --name $c --entrypoint echo $image a',
        "docker inspect -f '{{.Path}} {{.Args}} {{json .Config.Entrypoint}} {{json .Config.Cmd}}' $c",
      ],
    },
    {
      name: '-h and --domainname',
      steps: [
        sh`docker run --rm -h box --domainname example.org $image sh -c 'hostname; cat /proc/sys/kernel/domainname; cat /etc/hostname'`,
      ],
    },
    {
      name: 'the host name is the short id',
      steps: [
        sh`docker run -d --name $c $image sleep 60 | cut -c1-12 >id; docker exec $c hostname | cmp - id && echo same`,
      ],
    },
    {
      name: '--add-host',
      steps: [
        'docker run --rm -h box --add-host db:10.1.2.3 --network none $image cat /etc/hosts | grep db',
      ],
    },
    {
      name: '/etc/hosts',
      steps: ['docker run --rm -h box --network none $image cat /etc/hosts'],
      verdict: {
        is: 'better',
        why: 'the container’s host name resolves without a network too; `fe00::0` is written as `fe00::`, as in Docker since 25',
      },
    },
    {
      name: '--dns, --dns-search, --dns-option',
      steps: [
        sh`docker run --rm --network none --dns 10.0.0.53 --dns-search example.org --dns-option ndots:3 $image grep -v '^#' /etc/resolv.conf | sort`,
      ],
    },
    {
      name: '--network none has only lo',
      steps: [
        sh`docker run --rm --network none $image sh -c 'ls /sys/class/net; cat /sys/class/net/lo/flags'`,
      ],
    },
    {
      name: '--network host has the host’s network namespace',
      steps: [
        sh`docker run --rm --network host $image readlink /proc/self/ns/net >in; readlink /proc/self/ns/net | cmp - in && echo same`,
      ],
    },
    {
      name: 'an unknown --network',
      steps: ['docker run --rm --network nosuch $image true'],
    },
  ],
};

export const FILES: Section = {
  title: 'Mounts, devices, the root',
  cases: [
    {
      name: '-v, reading and writing',
      steps: [
        sh`echo from-host >file; docker run --rm -v $d:/data $image sh -c 'cat /data/file; echo from-container >/data/new'; cat new; stat -c '%u:%g' new`,
      ],
    },
    {
      name: '-v …:ro',
      steps: [
        sh`echo x >file; docker run --rm -v $d/file:/file:ro $image sh -c 'cat /file; echo y >/file'`,
      ],
    },
    {
      name: '-v creates the directory',
      steps: ['docker run --rm -v $d/made:/data $image true', 'test -d made && echo made'],
    },
    {
      name: '-v ./relative',
      steps: ['mkdir sub; echo x >sub/f; docker run --rm -v ./sub:/data $image cat /data/f'],
    },
    {
      name: '-v with a relative target',
      steps: ['docker run --rm -v $d:data $image true'],
    },
    {
      name: '-v ::',
      steps: ['docker run --rm -v :: $image true'],
      verdict: { is: 'better', why: 'refused' },
    },
    { name: '-v with a wrong mode', steps: ['docker run --rm -v $d:/data:nope $image true'] },
    {
      name: '-v twice with one target',
      steps: ['docker run --rm -v $d:/data -v /tmp:/data $image true'],
    },
    {
      name: '-v with a name',
      steps: [
        'docker run --rm -v $c:/data $image sh -c "echo kept >/data/f"',
        'docker run --rm -v $c:/data $image cat /data/f',
        'docker volume rm $c',
      ],
    },
    {
      name: '-v with a target alone: an anonymous volume',
      steps: ['docker run --rm -v /data $image sh -c "echo x >/data/f; cat /data/f"'],
    },
    {
      name: '--mount type=bind',
      steps: [
        'echo x >f; docker run --rm --mount type=bind,source=$d,target=/data,readonly $image sh -c "cat /data/f; touch /data/g"',
        'docker run --rm --mount type=bind,source=$d/nosuch,target=/data $image true',
        'docker run --rm --mount type=bind,target=/data $image true',
        'docker run --rm --mount type=nosuch,target=/data $image true',
        'docker run --rm --mount nonsense $image true',
      ],
    },
    {
      name: '--mount type=tmpfs',
      steps: [
        sh`docker run --rm --mount type=tmpfs,target=/t,tmpfs-size=64k,tmpfs-mode=0700 $image sh -c 'stat -c %a /t; df -k /t | tail -1 | tr -s " " | cut -d" " -f2'`,
      ],
    },
    {
      name: '--tmpfs',
      steps: [
        sh`docker run --rm --tmpfs /t $image sh -c 'stat -c %a /t; grep " /t " /proc/mounts | cut -d" " -f3; grep " /t " /proc/mounts | grep -oE "nosuid|nodev|noexec"'`,
        sh`docker run --rm --tmpfs /t:size=128k,mode=755,exec $image sh -c 'stat -c %a /t; df -k /t | tail -1 | tr -s " " | cut -d" " -f2; grep " /t " /proc/mounts | grep -oE "nosuid|nodev|noexec"'`,
        'docker run --rm --tmpfs t $image true',
      ],
    },
    {
      name: '--read-only',
      steps: [
        sh`docker run --rm --read-only --tmpfs /t $image sh -c 'touch /t/f && echo tmpfs; touch /f; touch /dev/shm/f && echo shm'`,
      ],
    },
    {
      name: 'files that it writes stay until rm',
      steps: [
        'docker run --name $c $image sh -c "cat /mark 2>/dev/null; echo again >>/mark"',
        'docker start -a $c',
        'docker start -a $c',
      ],
    },
    {
      name: '--shm-size',
      steps: [
        sh`docker run --rm --shm-size 4m $image sh -c 'df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'`,
        sh`docker run --rm $image sh -c 'df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'`,
      ],
    },
    {
      name: '/dev',
      steps: [
        sh`docker run --rm $image sh -c 'ls /dev; stat -c "%n %F %a %t:%T" /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty'`,
      ],
      verdict: {
        is: 'differs',
        why: '/dev/core is created although this kernel has no /proc/kcore',
      },
    },
    {
      name: '--device',
      steps: [
        sh`docker run --rm --device /dev/null:/dev/nil $image sh -c 'stat -c "%F %t:%T" /dev/nil; echo x >/dev/nil'`,
        sh`docker run --rm --device /dev/zero:/dev/z:r $image head -c 2 /dev/z | od -c`,
        'docker run --rm --device /dev/null:/dev/nil:xyz $image true',
      ],
    },
    {
      name: 'a --device that does not exist',
      steps: ['docker run --rm --device /dev/nosuch $image true'],
      verdict: {
        is: 'better',
        why: 'exits with 125, because the engine has failed and no program is missing',
      },
    },
    {
      name: 'mknod is restricted',
      steps: ['docker run --rm $image mknod /tmp/k c 1 11'],
      verdict: {
        is: 'differs',
        why: 'user ids are mapped (--userns host does what Docker does), and the kernel lets no mapped root create devices',
      },
    },
    { name: 'mount is restricted', steps: ['docker run --rm $image mount -t tmpfs tmpfs /tmp'] },
    {
      name: '/proc is masked',
      steps: [
        sh`docker run --rm $image sh -c 'wc -c </proc/kcore; wc -c </proc/timer_list; ls /proc/scsi /sys/firmware; echo x >/proc/sys/kernel/core_pattern; echo b >/proc/sysrq-trigger'`,
      ],
    },
    {
      name: '--privileged',
      steps: [
        sh`docker run --rm --privileged $image sh -c 'mount -t tmpfs tmpfs /tmp && echo mounted; grep CapEff /proc/self/status; test -e /dev/vda && echo devices; grep Seccomp: /proc/self/status'`,
      ],
      verdict: {
        is: 'better',
        why: 'works if the machine itself lacks a capability; Docker fails',
      },
    },
  ],
};
