/** Lists, names, removal and views of images. */
import type { Section } from '../parity-case.js';

const sh = String.raw;
/** An image of the case's own, with one file and one layer. */
const own = 'echo x >f; tar -c f | docker import - $t:1 >/dev/null';

export const IMAGES: Section = {
  title: 'images: lists, names and removal',
  cases: [
    {
      name: 'the table',
      steps: [
        'docker images parity/base',
        "docker images --digests --format 'table {{.Repository}}\\t{{.Tag}}\\t{{.Digest}}' parity/base",
        "docker images --format '{{.Repository}} {{.Tag}} {{.Digest}} {{.CreatedSince}}' parity/full",
        'docker image ls -q parity/base | head -c 4 | wc -c',
        'docker images -q --no-trunc parity/base',
      ],
    },
    {
      name: 'a list without an image',
      steps: [
        'docker images nosuch',
        'docker images -q nosuch',
        "docker images --format '{{.ID}}' nosuch",
        "docker images --format 'table {{.ID}}' nosuch",
      ],
    },
    {
      name: '--format json and the names of its fields',
      steps: [
        sh`docker images --format json parity/base | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'`,
        sh`docker images --format '{{json .}}' parity/base | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["Repository"], d["Tag"])'`,
        'docker images --format "{{.Nope}}" parity/base',
        'docker images --format "{{" parity/base',
      ],
    },
    {
      name: 'a reference, with and without a tag or a pattern',
      steps: [
        own,
        'docker tag $t:1 $t:2; docker tag $t:1 $t/below:1',
        'for p in $t $t:1 "$t:*" "$t*" "$t/*" "*$t" nosuch/$t; do echo "$p"; docker images --format "{{.Repository}}:{{.Tag}}" "$p" | sort; done',
      ],
    },
    {
      name: '--filter reference, label, before, since, dangling',
      steps: [
        `${own}; sleep 0.1; echo y >f; tar -c f | docker import -c 'LABEL k=v' - $t:2 >/dev/null`,
        'f="docker images --format {{.Repository}}:{{.Tag}}"; $f --filter reference=$t:2; $f --filter label=k $t; $f --filter label=k=v $t; $f --filter label=k=w $t',
        'docker images --filter label=one -q parity/full | wc -l; docker images --filter label=one=2 -q parity/full | wc -l',
        'docker images --filter dangling=false -q $t | wc -l; docker images --filter dangling=true -q $t | wc -l',
        'docker images --filter before=$t:nosuch',
        'docker images --filter dangling=maybe',
        'docker images --filter nosuch=x',
        'docker images --filter dangling',
      ],
    },
    {
      name: 'tag',
      steps: [
        own,
        'docker tag $t:1 $t; docker image tag $t $r/$t:x; docker images --format "{{.Repository}}:{{.Tag}}" --filter reference="*$t" | sort; docker images --format "{{.Repository}}:{{.Tag}}" --filter reference="$r/$t"',
        'docker tag $(docker images -q $t:1) $t:byid; docker images --format "{{.Tag}}" $t | sort',
        'docker tag nosuch:1 $t:2',
        'docker tag $t:1 UPPER:1',
        'docker tag $t:1 "$t:not a tag"',
        'docker tag $t:1 "$t@sha256:$(printf %064d 0)"',
        'docker tag $t:1',
      ],
    },
    {
      name: 'a name moves to another image',
      steps: [
        own,
        'a=$(docker images -q --no-trunc $t:1); docker tag parity/base:1 $t:1; docker images --format "{{.Repository}}:{{.Tag}}" $t',
        'docker images --filter dangling=true --format "{{.Repository}}:{{.Tag}}" | head -1',
        'docker images --filter dangling=true -q | xargs docker inspect --type image -f "{{len .RepoTags}}" | head -1',
      ],
      alone: true,
    },
    {
      name: 'rmi of a name, of the last name, and of what does not exist',
      steps: [
        `${own}; docker tag $t:1 $t:2`,
        'docker rmi $t:2',
        'docker rmi $t:1',
        'docker rmi $t:1',
        'docker rmi -f $t:1',
        'docker rmi nosuch',
        'docker rmi UPPER',
        'docker rmi',
      ],
    },
    {
      name: 'rmi of several, one of which is missing',
      steps: [
        `${own}; docker tag $t:1 $t:2; docker tag $t:1 $t:3`,
        'docker rmi $t:2 nosuch $t:3',
        'docker images --format "{{.Tag}}" $t',
      ],
    },
    {
      name: 'rmi by id',
      steps: [
        `${own}; docker tag $t:1 $t:2; docker tag $t:1 $t-b:1`,
        'docker rmi $(docker images -q $t:1)',
        'docker rmi -f $(docker images -q $t:1) | sort',
        'docker images -q "$t*"',
      ],
    },
    {
      name: 'rmi by id with two names of one repository',
      steps: [
        `${own}; docker tag $t:1 $t:2`,
        'docker rmi $(docker images -q $t:1) | sort',
        'docker images -q "$t*"',
      ],
    },
    {
      name: 'rmi of an image that a stopped container has',
      steps: [
        'docker save $base | docker load >/dev/null; docker create --name $c-b $base true >/dev/null; docker commit $c-b $t:1 >/dev/null; docker create --name $c $t:1 true >/dev/null',
        'docker rmi $t:1',
        'docker rmi $(docker images -q $t:1)',
        'docker rmi -f $t:1',
        'docker inspect -f "{{.Config.Image}}" $c | sed "s/:1//"',
        'docker start -a $c',
      ],
    },
    {
      name: 'rmi of an image that a running container has',
      steps: [
        'docker create --name $c-b $base true >/dev/null; docker commit $c-b $t:1 >/dev/null; docker run -d --name $c $t:1 sleep 60 >/dev/null',
        'docker rmi $t:1',
        'docker rmi -f $(docker images -q $t:1)',
        'docker rmi -f $t:1',
        'docker inspect -f "{{.State.Status}}" $c',
      ],
    },
    {
      name: 'rmi of the base of another image',
      steps: [
        'docker run --name $c $base touch /1; docker commit $c $t:1 >/dev/null; docker run --name $c-b $t:1 touch /2; docker commit $c-b $t:2 >/dev/null; docker rm $c $c-b',
        'docker rmi $t:1',
        'docker run --rm $t:2 ls /1 /2',
        'docker rmi $t:2 | grep -c Untagged',
      ],
      verdict: {
        is: 'better',
        why: 'the base is deleted; what other images share with it are layers, which stay. Docker keeps it without a name',
      },
    },
    {
      name: 'image inspect: the fields of its JSON',
      steps: [
        sh`docker image inspect parity/full:1 | python3 -c 'import json,sys; d=json.load(sys.stdin)[0]; print(sorted(d)); print(sorted(d["Config"]))'`,
      ],
      verdict: {
        is: 'differs',
        why: 'the fields are those of newer releases of Docker: without those of the classic builder (Container, ContainerConfig)',
      },
    },
    {
      name: 'image inspect: values',
      steps: [
        "docker image inspect -f '{{.Id}} {{.Os}}/{{.Architecture}} {{.RepoTags}} {{.RootFS.Type}} {{len .RootFS.Layers}}' parity/full:1",
        "docker image inspect -f '{{json .Config.Env}} {{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Config.User}} {{.Config.WorkingDir}} {{.Config.StopSignal}}' parity/full:1",
        "docker image inspect -f '{{json .Config.Labels}} {{json .Config.Volumes}} {{json .Config.ExposedPorts}} {{json .Config.Healthcheck}}' parity/full:1",
        "docker image inspect -f '{{json .Config.Cmd}} {{json .Config.Labels}} {{json .Config.Volumes}} {{json .Config.Entrypoint}}' parity/base:1",
        "docker inspect -f '{{.Config.User}}' parity/full:1",
        "docker inspect --type image -f '{{.Id}}' parity/full:1",
        'docker inspect --type container parity/full:1',
      ],
    },
    {
      name: 'image inspect: several, one of which is missing',
      steps: [
        "docker image inspect -f '{{.RepoTags}}' parity/full:1 nosuch parity/base:1",
        'docker image inspect nosuch',
        "docker image inspect -f '{{.Nope}}' parity/base:1",
      ],
    },
    {
      name: 'image inspect of ids, short and long',
      steps: [
        'id=$(docker images -q --no-trunc parity/base:1); for i in $id $(echo $id | cut -c 8-) $(echo $id | cut -c 8-15) $(echo $id | cut -c 1-13); do docker image inspect -f "{{.RepoTags}}" $i; done',
        'docker image inspect sha256:$(printf %064d 0)',
      ],
    },
    {
      name: 'history',
      steps: [
        'docker history --no-trunc --format "{{.CreatedBy}}|{{.Comment}}" parity/full:1',
        'docker history -q parity/full:1 | head -1 | head -c 3 | wc -c',
        'docker history --format "{{.Size}}" parity/full:1 | sed "s/^[1-9].*/SIZE/"',
        'docker history nosuch',
      ],
    },
    {
      name: 'history: the table',
      steps: ['docker history parity/base:1', 'docker history -H=false parity/base:1 | head -1'],
    },
    {
      name: 'image prune',
      alone: true,
      steps: [
        'docker image prune -f >/dev/null',
        own,
        'docker tag parity/base:1 $t:1',
        'docker image prune -f --filter until=1h',
        'docker image prune -f --filter label=none',
        'docker image prune -f | grep -v Total',
        'docker image prune -f',
        'docker image prune --filter nosuch=1 -f',
        'echo n | docker image prune | tail -1',
      ],
    },
    {
      name: 'image prune -a with a filter',
      alone: true,
      steps: [
        `echo x >f; tar -c f | docker import -c 'LABEL mine=$c' - $t:1 >/dev/null`,
        'docker create --name $c $t:1 x >/dev/null; docker image prune -af --filter label=mine=$c | head -1; docker rm $c >/dev/null',
        'docker image prune -af --filter label=mine=$c | sed "s/[0-9.]*k*B/SIZE/"',
        'docker images -q $t',
      ],
    },
    {
      name: 'flags and subcommands that do not exist',
      steps: [
        'docker images --nope',
        'docker image nope',
        'docker rmi --nope x',
        'docker image prune x',
        'docker tag a b c',
        'docker history',
      ],
    },
    {
      name: 'images in events',
      steps: [
        "s=$(date +%s); echo x >f; tar -c f | docker import - $t:1 >/dev/null; docker tag $t:1 $t:2; docker rmi $t:2 >/dev/null; docker rmi $t:1 >/dev/null; docker events --since $s --until $(($(date +%s) + 1)) --filter type=image --format '{{.Action}} {{.Actor.Attributes.name}}' | grep $t",
      ],
      verdict: {
        is: 'better',
        why: 'the events have the name that the image was imported as, or that was removed; Docker’s have its id',
      },
    },
  ],
};
