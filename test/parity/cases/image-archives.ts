/** Images in archives and in registries: `save`, `load`, `import`, `pull`, `push`. */
import type { Section } from '../parity-case.js';

const sh = String.raw;

export const IMAGE_ARCHIVES: Section = {
  title: 'images: archives',
  cases: [
    {
      name: 'save and load',
      steps: [
        'docker tag parity/full:1 $t:1; docker save -o a.tar $t:1; docker rmi $t:1; docker load -i a.tar',
        'docker load -q -i a.tar; docker load <a.tar',
        "docker image inspect -f '{{.Id}} {{.RepoTags}}' $t:1 | sed 's/parity.full:1 //'",
        'docker run --rm $t:1',
      ],
    },
    {
      name: 'save of several names, and of none',
      steps: [
        'docker tag parity/base:1 $t:1; docker tag parity/base:1 $t:2; docker tag parity/full:1 $t-b:1',
        sh`docker save $t $t-b:1 | tar -xO manifest.json | python3 -c 'import json,sys; print(sorted(sorted(i["RepoTags"]) for i in json.load(sys.stdin)))'`,
        sh`docker save $(docker images -q $t:1) | tar -xO manifest.json | python3 -c 'import json,sys; print([i["RepoTags"] for i in json.load(sys.stdin)])'`,
        'docker save nosuch:1 >out; echo $?; wc -c <out',
        'docker save $t:1 nosuch:1 >out; echo $?; wc -c <out',
        'docker save -o /nosuch/a.tar $t:1',
        'docker save',
      ],
    },
    {
      name: 'load of an image without a name',
      steps: [
        'echo $c >f; tar -c f | docker import - $t:1 >/dev/null; docker save $(docker images -q $t:1) >a.tar; docker rmi $t:1 >/dev/null; docker load -i a.tar >out; sed "s/sha256:.*/ID/" out; docker rmi $(sed "s/.*: //" out)',
      ],
    },
    {
      name: 'load replaces a name',
      steps: [
        'echo $c >f; tar -c f | docker import - $t:1 >/dev/null; docker save -o a.tar $t:1; docker tag parity/base:1 $t:1; docker load -i a.tar',
        'docker images --format "{{.Tag}}" $t',
      ],
      verdict: {
        is: 'differs',
        why: 'caisson does not tell that the name belonged to another image before',
      },
    },
    {
      name: 'load of compressed archives',
      steps: [
        'docker tag parity/base:1 $t:1; docker save $t:1 >a.tar; docker rmi $t:1',
        'gzip -k a.tar; docker load -i a.tar.gz; docker rmi $t:1',
        'gzip -dc a.tar.gz | docker load',
      ],
    },
    {
      name: 'load of what is no archive of images',
      steps: [
        'echo text | docker load',
        'docker load </dev/null',
        'echo x >f; tar -c f | docker load',
        'docker load -i nosuch',
        'docker save parity/base:1 | head -c 100000 | docker load',
        'docker load x',
      ],
    },
    {
      name: 'import',
      steps: [
        'mkdir -p r/bin; cp "$(command -v busybox)" r/bin/sh; tar -C r -c . | docker import - $t:1 | wc -c',
        'docker run --rm $t:1 sh -c "echo run; ls /"',
        "docker image inspect -f '{{json .Config.Cmd}} {{json .Config.Env}} {{.Os}} {{.Comment}} {{len .RootFS.Layers}}' $t:1",
        'docker run --rm $t:1',
        "docker history --format '{{.CreatedBy}}|{{.Comment}}' $t:1",
      ],
    },
    {
      name: 'import with changes and a message',
      steps: [
        `echo x >f; tar -cf a.tar f; docker import -m 'a message' -c 'CMD ["a"]' -c 'ENV X=1 Y=2' --change 'EXPOSE 80' -c 'LABEL l=m' -c 'WORKDIR /w' -c 'USER 1:2' -c 'VOLUME /v' -c 'ENTRYPOINT e f' a.tar $t:1 >/dev/null`,
        "docker image inspect -f '{{.Comment}} {{json .Config.Cmd}} {{json .Config.Env}} {{json .Config.ExposedPorts}} {{json .Config.Labels}} {{.Config.WorkingDir}} {{.Config.User}} {{json .Config.Volumes}} {{json .Config.Entrypoint}}' $t:1",
        `docker import -c 'RUN x' a.tar $t:2`,
        `docker import -c 'NOPE x' a.tar $t:2`,
        'docker import nosuch.tar $t:2',
        'docker import a.tar UPPER:1',
        'echo text | docker import - $t:2',
        'docker import',
      ],
    },
    {
      name: 'import of compressed archives',
      steps: [
        'echo x >f; tar -czf a.tgz f; docker import a.tgz $t:1 >/dev/null && docker image inspect -f "{{len .RootFS.Layers}}" $t:1',
      ],
    },
    {
      name: 'import of archives that are compressed with xz and bzip2',
      verdict: {
        is: 'differs',
        why: 'refused, with the hint to decompress it first: neither decompressor is part of the confined helper',
      },
      steps: [
        'echo x >f; tar -cJf a.txz f; docker import a.txz $t:2 >/dev/null && docker image inspect -f "{{len .RootFS.Layers}}" $t:2',
        'tar -cjf a.tbz f; docker import a.tbz $t:3 >/dev/null && docker image inspect -f "{{len .RootFS.Layers}}" $t:3',
      ],
    },
    {
      name: 'export and import',
      steps: [
        'docker run --name $c $base sh -c "mkdir -p /x; echo y >/x/y; chown 5:6 /x/y; chmod 4751 /x/y; ln -s y /x/l; ln /x/y /x/h; mkfifo /x/p; touch -d @1000000000 /x/y"',
        'docker export $c | docker import - $t:1 >/dev/null; docker run --rm $t:1 sh -c "cd /x; ls -ln | tail -n +2; cat y; stat -c %h h"',
      ],
    },
  ],
};

export const IMAGE_REGISTRIES: Section = {
  title: 'images: registries',
  cases: [
    {
      name: 'pull',
      alone: true,
      steps: [
        'docker pull -q $r/parity/full:1',
        'docker pull $r/parity/full:1',
        'docker rmi $r/parity/full:1',
        'docker pull $r/parity/full:1 | grep -v -e "^[0-9a-f]*: "',
        'docker image inspect -f "{{.RepoDigests}} {{.RepoTags}}" $r/parity/full:1',
        'docker rmi $r/parity/full:1 | sort',
      ],
    },
    {
      name: 'pull by digest',
      alone: true,
      steps: [
        'docker pull -q $r/parity/base:1 >/dev/null; docker image inspect -f "{{index .RepoDigests 0}}" $r/parity/base:1 >digest; docker rmi $r/parity/base:1 >/dev/null',
        'docker pull $(cat digest) | grep -v -e "^[0-9a-f]*: "',
        'docker images --digests --format "{{.Repository}} {{.Tag}} {{.Digest}}" $r/parity/base',
        'docker run --rm $(cat digest) echo run',
        'docker rmi $(cat digest)',
      ],
    },
    {
      name: 'pull of what is not there',
      steps: [
        'docker pull $r/nosuch:1',
        'docker pull -q $r/parity/base:nosuch',
        'docker pull $r/parity/base@sha256:$(printf %064d 0)',
        'docker pull 127.0.0.1:1/base:1',
        'docker pull UPPER',
        'docker pull a b',
        'docker pull host.invalid/x',
      ],
    },
    {
      name: 'pull without a tag',
      steps: ['docker pull $r/parity/nosuch | head -1', 'docker pull -q $r/parity/base'],
    },
    {
      name: 'push and pull',
      steps: [
        'echo $c >f; tar -c f | docker import - $r/$t:1 >/dev/null; docker push $r/$t:1 | sed "s/[0-9a-f]\\{12\\}: .*/LAYER/" | sed "s/size: .*/size/" | sort -u',
        'docker push -q $r/$t:1',
        'docker tag $r/$t:1 $r/$t:latest; docker push -q $r/$t',
        'docker rmi $r/$t:1 $r/$t:latest >/dev/null; docker pull -q $r/$t:1; docker image inspect -f "{{len .RootFS.Layers}}" $r/$t:1',
      ],
    },
    {
      name: 'push of what is not there, and to where nothing is',
      steps: [
        'docker push $r/nosuch:1',
        'docker tag parity/base:1 127.0.0.1:1/$t:1; docker push 127.0.0.1:1/$t:1 >out; head -1 out; docker rmi 127.0.0.1:1/$t:1',
        'docker push UPPER',
        'docker push',
      ],
    },
    {
      name: 'run pulls what is missing',
      alone: true,
      steps: [
        'docker run --rm $r/parity/base:1 echo run 2>err; grep -v -e "^[0-9a-f]*: " err',
        'docker run --rm $r/parity/base:1 echo again',
        'docker run --rm --pull always $r/parity/base:1 echo run 2>err; grep -v -e "^[0-9a-f]*: " err',
        'docker rmi $r/parity/base:1 >/dev/null; docker run --rm --pull never $r/parity/base:1 echo run',
        'docker create -q --name $c --pull missing $r/parity/base:1 true; docker rm $c',
        'docker rmi $r/parity/base:1 >/dev/null; docker run --rm -q $r/parity/base:1 echo quiet; docker rmi $r/parity/base:1 >/dev/null',
        'docker run --rm --pull sometimes $base true',
      ],
    },
    {
      name: 'run of an image that the registry does not have',
      steps: [
        'docker run --rm $r/nosuch:1 true',
        'docker create --name $c $r/nosuch:1',
        'docker ps -aq --filter name=$c',
      ],
    },
    {
      name: '--platform',
      steps: [
        'docker run --rm --platform linux/amd64 $base uname -s',
        'docker pull -q --platform linux/amd64 $r/parity/base:1',
        'docker pull -q --platform linux/nonsense/x/y/z $r/parity/base:1',
      ],
    },
    {
      name: 'login and logout',
      steps: [
        'export DOCKER_CONFIG=$PWD; echo secret | docker login -u me --password-stdin $r 2>/dev/null | tail -1',
        "export DOCKER_CONFIG=$PWD; python3 -c \"import json; print(sorted(json.load(open('config.json'))['auths']))\"",
        'export DOCKER_CONFIG=$PWD; docker logout $r',
        'echo x | docker login --password-stdin $r',
        'docker login -u me -p secret 127.0.0.1:1',
      ],
    },
  ],
};
