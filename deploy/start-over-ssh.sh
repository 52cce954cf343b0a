#!/bin/bash
# Starts every member of a cluster from one machine, over ssh without passwords:
#
#   deploy/start-over-ssh.sh peer1=192.168.161.3 peer2=192.168.161.4 peer3=192.168.161.5
#
# Each argument is a member's name and IP address. Run it once, on any machine that reaches all.
# A member that already runs is left alone. Variables change the rest:
#
#   BIN_DIR        directory of the programs on every machine    (~/etcd)
#   DATA_DIR       data and etcd.log on every machine            (~/data)
#   CLUSTER_TOKEN  unique for every cluster                      (etcdcluster01)
#   CLUSTER_STATE  new, or existing                              (new)
#   CLIENT_PORT, PEER_PORT                                       (2379, 2380)
#   SSH            command that takes a host and a script on its standard input   (ssh -T)
#   WAIT_SECONDS   how long to wait until all members are healthy (60)
#   ETCDCTL        the client on this machine, for that check    (BIN_DIR/etcdctl)
set -euo pipefail

BIN_DIR=${BIN_DIR:-$HOME/etcd}
DATA_DIR=${DATA_DIR:-$HOME/data}
CLUSTER_TOKEN=${CLUSTER_TOKEN:-etcdcluster01}
CLUSTER_STATE=${CLUSTER_STATE:-new}
CLIENT_PORT=${CLIENT_PORT:-2379}
PEER_PORT=${PEER_PORT:-2380}
SSH=${SSH:-ssh -T}
WAIT_SECONDS=${WAIT_SECONDS:-60}
ETCDCTL=${ETCDCTL:-$BIN_DIR/etcdctl}

if [ $# -eq 0 ]; then
  sed -n '2,/^set /{/^set /!p}' "$0" | sed 's/^# \{0,1\}//' >&2
  exit 2
fi

names=()
addresses=()
for member in "$@"; do
  if [[ ! $member =~ ^[A-Za-z0-9._-]+=[A-Za-z0-9.:_-]+$ ]]; then
    echo "not a member: '$member'; write name=address" >&2
    exit 2
  fi
  names+=("${member%%=*}")
  addresses+=("${member#*=}")
done

cluster=
endpoints=
for i in "${!names[@]}"; do
  cluster+=${cluster:+,}${names[i]}=http://${addresses[i]}:$PEER_PORT
  endpoints+=${endpoints:+,}http://${addresses[i]}:$CLIENT_PORT
done

# Prints the script for one machine. Values are quoted for the shell over there.
member_script() {
  local name=$1 address=$2 command
  command=("$BIN_DIR/etcd"
    --name "$name"
    --data-dir "$DATA_DIR"
    --initial-advertise-peer-urls "http://$address:$PEER_PORT"
    --listen-peer-urls "http://$address:$PEER_PORT"
    --advertise-client-urls "http://$address:$CLIENT_PORT"
    --listen-client-urls "http://$address:$CLIENT_PORT"
    --initial-cluster "$cluster"
    --initial-cluster-state "$CLUSTER_STATE"
    --initial-cluster-token "$CLUSTER_TOKEN")
  printf 'data=%q\n' "$DATA_DIR"
  printf 'etcd=%q\n' "$BIN_DIR/etcd"
  cat <<'REMOTE'
mkdir -p -m 0700 "$data" || exit 1
if [ ! -x "$etcd" ]; then echo "no $etcd on this machine" >&2; exit 1; fi
if [ -f "$data/etcd.pid" ] && kill -0 "$(cat "$data/etcd.pid")" 2>/dev/null; then
  echo "runs already"
  exit 0
fi
REMOTE
  printf 'nohup'
  printf ' %q' "${command[@]}"
  printf ' >>"$data/etcd.log" 2>&1 </dev/null &\n'
  # The log shares the directory with the data, which etcd mentions but does not mind.
  printf 'echo $! >"$data/etcd.pid"\n'
}

for i in "${!names[@]}"; do
  # shellcheck disable=SC2086 # SSH is a command with options.
  if ! member_script "${names[i]}" "${addresses[i]}" | $SSH "${addresses[i]}"; then
    echo "${names[i]} (${addresses[i]}): not started" >&2
    exit 1
  fi
  echo "${names[i]} (${addresses[i]}): started"
done

# Only a majority can serve, so all are started before the first is asked.
deadline=$((SECONDS + WAIT_SECONDS))
until ETCDCTL_API=3 "$ETCDCTL" --endpoints="$endpoints" endpoint health >/dev/null 2>&1; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "not healthy after $WAIT_SECONDS s; see $DATA_DIR/etcd.log on the machines" >&2
    ETCDCTL_API=3 "$ETCDCTL" --endpoints="$endpoints" endpoint health >&2 || true
    exit 1
  fi
  sleep 1
done
ETCDCTL_API=3 "$ETCDCTL" --endpoints="$endpoints" member list
