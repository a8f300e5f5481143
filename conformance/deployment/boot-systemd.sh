#!/bin/bash
# Boots systemd as the first process of namespaces of its own: boot-systemd.sh FOLDER [SOURCE:TARGET …]
# The root is this machine's root under a layer in memory, so that nothing that happens inside stays.
# FOLDER is an empty folder for it. Each SOURCE is seen read-only at TARGET.
# Afterwards, boot-systemd.sh --remove FOLDER removes its control group.
set -euo pipefail

# A control group of its own, which systemd takes as the root of all: it has the name of FOLDER.
groups=/sys/fs/cgroup
[ "$(stat -fc %T "$groups")" = cgroup2fs ] || groups=$groups/systemd
if [ "$1" = --remove ]; then
  find "$groups/$(basename "$2")" -depth -type d -exec rmdir {} +
  exit
fi
if [ "$1" != --inside ]; then
  group=$groups/$(basename "$1")
  mkdir "$group"
  echo $$ >"$group/cgroup.procs"
  exec unshare --pid --fork --kill-child --mount --propagation private --uts --ipc --net --cgroup "$0" --inside "$@"
fi
shift
folder=$1
shift
mount -t tmpfs tmpfs "$folder"
mkdir "$folder"/{upper,work,root}
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder/root"
cd "$folder/root"
for bind in "$@"; do
  source=${bind%%:*} target=.${bind#*:}
  if [ -d "$source" ]; then mkdir -p "$target"; else mkdir -p "$(dirname "$target")" && rm -f "$target" && touch "$target"; fi
  mount --bind "$source" "$target"
  mount -o remount,bind,ro "$target"
done

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
case $(stat -fc %T /sys/fs/cgroup) in
  cgroup2fs) mount -t cgroup2 cgroup2 sys/fs/cgroup ;;
  *)
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
    ;;
esac
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount --rbind /dev dev
ip link set lo up

# Only the journal starts by itself.
cat >etc/systemd/system/test.target <<'UNIT'
[Unit]
Wants=systemd-journald.service
AllowIsolate=yes
UNIT
mkdir -p old
pivot_root . old
umount -l /old
# Says to systemd that it does not run on bare metal.
export container=other
exec /lib/systemd/systemd --system --unit=test.target --log-target=null
