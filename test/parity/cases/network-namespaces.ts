/** `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`: namespaces of the host and of other containers. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const up = (flags: string, name = '$c') => `docker run -d --name ${name} ${flags} $image sleep 60`;
const mode = (field: string, name = '$c') =>
  `docker inspect -f '{{json .HostConfig.${field}}}' ${name}`;
/** Whether the container's namespace is the one of the host. */
const ofHost = (flags: string, kind: string) =>
  sh`test "$(docker run --rm ${flags} $image readlink /proc/self/ns/${kind})" = "$(readlink /proc/self/ns/${kind})" && echo same || echo own`;
/** Whether the container's namespace is the one of $c. */
const ofOther = (flags: string, kind: string) =>
  sh`test "$(docker run --rm ${flags} $image readlink /proc/self/ns/${kind})" = "$(docker exec $c readlink /proc/self/ns/${kind})" && echo same || echo own`;

export const NETWORK_NAMESPACES: Section = {
  title: 'networks: namespaces of the host and of other containers',
  cases: [
    {
      name: '--pid host',
      steps: [ofHost('--pid host', 'pid'), ofHost('', 'pid'), up('--pid host'), mode('PidMode')],
    },
    {
      name: '--pid container:',
      steps: [
        up(''),
        ofOther('--pid container:$c', 'pid'),
        'docker run --rm --pid container:$c $image ps -o pid,args | grep -c "[s]leep 60"',
        sh`docker run -d --name $c-b --pid container:$c $image sleep 61; docker exec $c ps -o args | grep -c "[s]leep 61"; docker inspect -f '{{.HostConfig.PidMode}}' $c-b`,
        'docker rm -f $c; docker wait $c-b',
      ],
    },
    {
      name: '--pid with a wrong value',
      steps: [
        'docker run --rm --pid nosuch $image true',
        'docker run --rm --pid container:nosuch $image true',
        'docker run --rm --pid container: $image true',
        'docker create --name $c $image true; docker run --rm --pid container:$c $image true',
      ],
    },
    {
      name: '--pid private',
      steps: ['docker run --rm --pid private $image echo started'],
      verdict: { is: 'better', why: 'the default has a name, as with --ipc' },
    },
    {
      name: '--ipc host and private',
      steps: [
        ofHost('--ipc host', 'ipc'),
        ofHost('--ipc private', 'ipc'),
        up(''),
        mode('IpcMode'),
        'docker create --name $c-b --ipc host $image true',
        mode('IpcMode', '$c-b'),
      ],
    },
    {
      name: '--ipc shareable and container:',
      steps: [
        up('--ipc shareable'),
        'docker exec $c sh -c "echo shared >/dev/shm/file"',
        ofOther('--ipc container:$c', 'ipc'),
        'docker run --rm --ipc container:$c $image cat /dev/shm/file',
        mode('IpcMode'),
      ],
    },
    {
      name: '--ipc container: of one that is private, does not run, or does not exist',
      steps: [
        up('--ipc private'),
        'docker run --rm --ipc container:$c $image true',
        'docker create --name $c-c --ipc shareable $image true; docker run --rm --ipc container:$c-c $image true',
        'docker run --rm --ipc container:nosuch $image true',
        'docker run --rm --ipc nosuch $image true',
      ],
    },
    {
      name: '--ipc none',
      steps: [
        'docker run --rm --ipc none $image ls /dev/shm',
        ofHost('--ipc none', 'ipc'),
        'docker run --rm --ipc none --shm-size 1m $image true',
      ],
    },
    {
      name: '--ipc host with kernel parameters of it',
      steps: [
        'docker run --rm --ipc host --sysctl kernel.shmmax=1000000 $image true',
        'docker run --rm --sysctl kernel.shmmax=1000000 $image cat /proc/sys/kernel/shmmax',
      ],
    },
    {
      name: '--uts host',
      steps: [
        ofHost('--uts host', 'uts'),
        'test "$(docker run --rm --uts host $image hostname)" = "$(hostname)" && echo same',
        'docker run --rm --uts host -h box $image true',
        'docker run --rm --uts host --domainname example.org $image true',
        'docker run --rm --uts nosuch $image true',
        'docker run --rm --uts container:nosuch $image true',
        'docker create --name $c --uts host $image true',
        mode('UTSMode'),
      ],
    },
    {
      name: '--cgroupns',
      steps: [
        ofHost('--cgroupns host', 'cgroup'),
        ofHost('--cgroupns private', 'cgroup'),
        'docker run --rm --cgroupns nosuch $image true',
        'docker create --name $c --cgroupns private $image true',
        mode('CgroupnsMode'),
      ],
    },
    {
      name: '--userns host',
      steps: [
        ofHost('--userns host', 'user'),
        'docker run --rm --userns host $image cat /proc/self/uid_map | tr -s " "',
        'docker run --rm --userns nosuch $image true',
        'docker create --name $c --userns host $image true',
        mode('UsernsMode'),
      ],
    },
    {
      name: 'several namespaces of one container',
      steps: [
        up('--ipc shareable'),
        "docker run --rm --pid container:$c --ipc container:$c --network container:$c $image sh -c 'readlink /proc/self/ns/pid /proc/self/ns/ipc /proc/self/ns/net' >one; docker exec $c readlink /proc/self/ns/pid /proc/self/ns/ipc /proc/self/ns/net | diff - one && echo same",
        'docker run --rm --pid container:$c $image hostname | wc -c',
      ],
    },
    {
      name: 'the container whose network is shared ends',
      steps: [
        up(''),
        up('--network container:$c', '$c-b'),
        'docker stop -t 0 $c',
        "docker inspect -f '{{.State.Status}}' $c-b",
        'docker restart -t 0 $c-b',
        "docker inspect -f '{{.State.Status}}' $c-b",
        'docker start $c; docker restart -t 0 $c-b; docker exec $c-b ls /sys/class/net',
      ],
    },
    {
      name: 'the container whose network is shared ends: interfaces of the other',
      steps: [
        up(''),
        up('--network container:$c', '$c-b'),
        'docker stop -t 0 $c',
        'docker exec $c-b ls /sys/class/net',
      ],
      verdict: { is: 'differs', why: 'eth0 stays, without a connection; Docker removes it' },
    },
  ],
};
