#!/bin/bash
# Namespaces for a container engine: container-engine.sh FOLDER
# Containers, their networks and all images are gone when its first process ends. Images are in memory, in FOLDER.
set -euo pipefail
if [ "$1" != --inside ]; then
  exec unshare --pid --fork --kill-child --mount --propagation private --net "$0" --inside "$@"
fi
mount -t tmpfs tmpfs "$2"
mount -t proc proc /proc
# Engines keep addresses, names and namespaces here, also those of engines that have ended.
for folder in /run/containers /run/crun /run/libpod /run/netns; do
  mkdir -p "$folder"
  mount -t tmpfs tmpfs "$folder"
done
# A machine with both versions of control groups: engines do not know that mixture.
if mountpoint --quiet /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
ip link set lo up
# The first process takes over the processes that others leave behind.
trap : CHLD
while :; do
  sleep 1000 &
  wait
done
