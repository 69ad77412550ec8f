#!/bin/sh
# Starts a program with N ranks on this machine, whichever MPI the launcher belongs to; more ranks than cores and root are fine.
#   mpirun.sh MPIRUN N PROGRAM ARGUMENTS...
set -eu
mpirun=$1 ranks=$2
shift 2
options=
case $("$mpirun" --version 2>&1 | head -n 1) in
  *"Open MPI"* | *OpenRTE* | *PRRTE* | *prterun*)
    options="--oversubscribe --bind-to none"
    [ "$(id -u)" -ne 0 ] || options="$options --allow-run-as-root"
    ;;
esac
# shellcheck disable=SC2086  # several words
exec "$mpirun" $options -n "$ranks" "$@"
