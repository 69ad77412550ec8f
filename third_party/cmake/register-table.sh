#!/usr/bin/env bash
# Prints a Markdown table of what ptxas said of every kernel of a build: register-table.sh BUILD_FOLDER [PATTERN]
# PATTERN (of awk) chooses kernels by their readable name. Exit status 1 if a kernel in the table spills.
set -euo pipefail
build=${1:?usage: register-table.sh BUILD_FOLDER [PATTERN]}
pattern=${2:-.}
mapfile -t logs < <(find "$build" -name '*.ptxas' | sort)
if [[ ${#logs[@]} -eq 0 ]]; then
  echo "$build: no *.ptxas file; build a target with CUDA sources first" >&2
  exit 2
fi
cat "${logs[@]}" | c++filt -p | awk -v pattern="$pattern" '
  /Compiling entry function/ {
    match($0, /function .* for /)
    name = substr($0, RSTART + 10, RLENGTH - 16)
    gsub(/\(anonymous namespace\)::|qcface::/, "", name)
    arch = $NF; gsub(/\x27/, "", arch)
  }
  /bytes stack frame/ { spills = ($5 + 0) + ($9 + 0) }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
    shared = 0
    if (match($0, /[0-9]+ bytes smem/)) shared = substr($0, RSTART, RLENGTH) + 0
    if (name ~ pattern) {
      rows[++count] = sprintf("| `%s` | %s | %d | %d | %d |", name, arch, registers, spills, shared)
      bad += spills > 0
    }
  }
  END {
    print "| kernel | architecture | registers | spilled bytes | static shared bytes |"
    print "|---|---|---:|---:|---:|"
    for (i = 1; i <= count; ++i) print rows[i] | "sort -u"
    close("sort -u")
    exit bad > 0
  }'
