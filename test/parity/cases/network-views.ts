/** What `inspect`, `ps` and `events` show of networks. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
const up = (flags: string, name = '$c') => `docker run -d --name ${name} ${flags} $image sleep 60`;
const settings = (python: string, name = '$c') =>
  sh`docker inspect -f '{{json .NetworkSettings}}' ${name} | python3 -c 'import json,sys; d=json.load(sys.stdin); ${python}'`;
const ps = (filters: string) => `docker ps -a --filter name=$c ${filters} --format '{{.Names}}'`;
const events = (filters: string, format: string) =>
  `docker events --since $since --until $(date +%s) ${filters} --format '${format}'`;

export const NETWORK_VIEWS: Section = {
  title: 'networks: inspect, ps, events',
  cases: [
    {
      name: 'NetworkSettings: the names of its fields',
      steps: [up(''), settings(sh`print(*sorted(d), sep="\n")`)],
    },
    {
      name: 'NetworkSettings: the names of a network’s fields',
      steps: [up(''), settings(sh`print(*sorted(d["Networks"]["bridge"]), sep="\n")`)],
    },
    {
      name: 'NetworkSettings of the network bridge',
      steps: [
        up(''),
        settings(
          sh`b=d["Networks"]["bridge"]; print([b[k]==d[k] for k in ("Gateway","IPAddress","IPPrefixLen","MacAddress","EndpointID")], b["IPAMConfig"], b["Links"], b["Aliases"], b["DriverOpts"], len(b["NetworkID"]), len(b["EndpointID"]), len(d["SandboxID"]), d["Ports"], d["Bridge"], d["HairpinMode"])`,
        ),
      ],
    },
    {
      name: 'NetworkSettings of a network that was created',
      steps: [
        'docker network create --subnet 10.85.1.0/24 $n >/dev/null',
        up('--network $n --ip 10.85.1.5 --network-alias web'),
        settings(
          sh`n=list(d["Networks"].items())[0]; print(n[0], sorted((k,v) for k,v in n[1].items() if k not in ("NetworkID","EndpointID","Aliases","DNSNames")))`,
        ),
        settings(sh`print(repr(d["IPAddress"]), repr(d["Gateway"]), repr(d["MacAddress"]))`),
        `test "$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.NetworkID}}{{end}}' $c)" = "$(docker network inspect -f '{{.Id}}' $n)" && echo same`,
      ],
    },
    {
      name: 'NetworkSettings: aliases',
      steps: [
        'docker network create $n >/dev/null',
        up('--network $n --network-alias web'),
        settings(sh`print(list(d["Networks"].values())[0]["Aliases"])`),
      ],
      verdict: { is: 'better', why: 'as Docker since version 25: the short id is among DNSNames' },
    },
    {
      name: 'NetworkSettings after the end',
      steps: [
        'docker network create --subnet 10.85.2.0/24 $n >/dev/null',
        'docker run --name $c --network $n --ip 10.85.2.5 -p 8101:80 $image true',
        settings(
          sh`n=list(d["Networks"].values())[0]; print(sorted((k,v) for k,v in n.items() if k not in ("NetworkID","Aliases","DNSNames")), d["Ports"])`,
        ),
      ],
    },
    {
      name: 'NetworkSettings of a created container',
      steps: [
        'docker network create --subnet 10.85.3.0/24 $n >/dev/null',
        'docker create --name $c --network $n --ip 10.85.3.5 -p 8102:80 $image true',
        settings(
          sh`n=list(d["Networks"].values())[0]; print(sorted((k,v) for k,v in n.items() if k not in ("NetworkID","Aliases","DNSNames")), d["Ports"])`,
        ),
      ],
    },
    {
      name: 'NetworkSettings of host and none',
      steps: [
        up('--network host'),
        up('--network none', '$c-b'),
        settings(
          sh`print([(k, sorted((f,v) for f,v in n.items() if f not in ("NetworkID","EndpointID"))) for k,n in d["Networks"].items()], d["Ports"], repr(d["IPAddress"]))`,
        ),
        settings(
          sh`print([(k, sorted((f,v) for f,v in n.items() if f not in ("NetworkID","EndpointID"))) for k,n in d["Networks"].items()], d["Ports"], repr(d["IPAddress"]))`,
          '$c-b',
        ),
        `test "$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.NetworkID}}{{end}}' $c)" = "$(docker network inspect -f '{{.Id}}' host)" && echo same`,
      ],
    },
    {
      name: 'ps: the columns Ports and Networks',
      steps: [
        'docker network create $n >/dev/null',
        up(
          '--network $n -p 0.0.0.0:8103:80 -p 0.0.0.0:8103:80/udp -p 127.0.0.1:8104:81 --expose 90 --expose 91-93',
        ),
        "docker ps --filter name=$c --format '{{.Ports}}'",
        "docker ps --filter name=$c --format '{{.Networks}}'",
        'docker stop -t 0 $c',
        "docker ps -a --filter name=$c --format '{{.Ports}} {{.Networks}}'",
      ],
    },
    {
      name: 'ps: Networks of the modes',
      steps: [
        'docker create --name $c $image true; docker create --name $c-b --network host $image true; docker create --name $c-c --network none $image true; docker create --name $c-d --network container:$c $image true',
        "docker ps -a --filter name=$c --format '{{.Names}} {{.Networks}}'",
      ],
    },
    {
      name: 'ps --filter network',
      steps: [
        'docker network create $n >id',
        up('--network $n'),
        'docker create --name $c-b --network $n $image true; docker create --name $c-c --network host $image true; docker create --name $c-d $image true',
        ps('--filter network=$n'),
        ps('--filter network=host'),
        ps('--filter network=bridge'),
        ps('--filter network=$n --filter network=host'),
        ps('--filter network=nosuch'),
      ],
    },
    {
      name: 'ps --filter network with an id',
      steps: [
        'docker network create $n >id',
        up('--network $n'),
        'docker create --name $c-b --network $n $image true',
        ps('--filter network=$(cat id)'),
        ps('--filter network=$(cut -c1-12 id)'),
      ],
      verdict: { is: 'better', why: 'finds also what has not been started yet' },
    },
    {
      name: 'ps --filter publish',
      steps: [
        up('-p 8105:80'),
        up('-p 8106-8107:90-91/udp', '$c-b'),
        'docker create --name $c-c -p 8105:80 $image true; docker create --name $c-d --expose 80 $image true',
        ps('--filter publish=80'),
        ps('--filter publish=80/tcp'),
        ps('--filter publish=8105'),
        ps('--filter publish=90/udp'),
        ps('--filter publish=8106-8107/udp'),
        ps('--filter publish=1-1000/udp'),
        ps('--filter publish=81'),
        'docker ps --filter publish=nonsense',
        'docker ps --filter publish=90-80',
      ],
    },
    {
      name: 'ps --filter expose',
      steps: [
        up('-p 8108:80'),
        up('--expose 90/udp', '$c-b'),
        'docker create --name $c-c --expose 80 $image true',
        ps('--filter expose=80'),
        ps('--filter expose=80/tcp'),
        ps('--filter expose=90/udp'),
        ps('--filter expose=90'),
        ps('--filter expose=80-100/tcp'),
        'docker ps --filter expose=nonsense',
      ],
    },
    {
      name: 'events of networks: create and destroy',
      steps: [
        `since=$(date +%s); docker network create $n >/dev/null; docker network rm $n >/dev/null; sleep 1; ${events('--filter type=network --filter network=$n', '{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}')}`,
      ],
    },
    {
      name: 'events of networks: connect and disconnect of a start and an end',
      steps: [
        `since=$(date +%s); docker network create $n >/dev/null; docker run --name $c --network $n $image true; sleep 1; ${events('--filter type=network --filter network=$n', '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}} {{.Actor.Attributes.container}}')}`,
      ],
    },
    {
      name: 'events of networks: connect and disconnect',
      steps: [
        `since=$(date +%s); docker network create $n >/dev/null; ${up('')} >/dev/null; docker network connect $n $c; docker network disconnect $n $c; sleep 1; ${events('--filter type=network --filter network=$n', '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.container}}')} | uniq`,
      ],
    },
    {
      name: 'events of host and none',
      steps: [
        `since=$(date +%s); docker run --name $c --network host $image true; docker run --name $c-b --network none $image true; sleep 1; docker events --since $since --until $(date +%s) --filter type=network --format '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.container}}' | grep -c "$(docker inspect -f '{{.Id}}' $c)"`,
      ],
      verdict: { is: 'differs', why: 'only networks with a bridge have events' },
    },
    {
      name: 'events: the order around a container',
      steps: [
        `since=$(date +%s); docker run --name $c $image true; docker rm $c >/dev/null; sleep 1; docker events --since $since --until $(date +%s) --filter container=$c --format '{{.Type}} {{.Action}}' | grep -v attach`,
      ],
    },
    {
      name: 'an exposed or published port in the default table',
      steps: [up('-p 0.0.0.0:8109:80'), 'docker ps --filter name=$c'],
    },
  ],
};
