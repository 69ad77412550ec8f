#!/bin/sh
# Compiler launcher for nvcc: keeps what the compiler says beside the object (NAME.o.ptxas: registers, spills, shared
# memory of every kernel) instead of on the screen. Warnings and errors are shown.
object=
previous=
for argument; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
[ -n "$object" ] || exec "$@"
"$@" 2>"$object.ptxas"
status=$?
if [ $status -ne 0 ] || grep -qiE 'warning|error' "$object.ptxas"; then
  grep -vE "^ptxas info|^ +[0-9]+ bytes stack frame" "$object.ptxas" >&2
fi
exit $status
