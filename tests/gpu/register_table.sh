#!/usr/bin/env bash
# Registers, spills and shared memory of every CUDA kernel, as ptxas reported them when a build compiled it.
#   tests/gpu/register_table.sh BUILD                 prints the table
#   tests/gpu/register_table.sh BUILD --write FILE    writes it as Markdown (docs/cuda-registers.md)
#   tests/gpu/register_table.sh BUILD --check         prints it and fails if any kernel spills
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

build=${1:?usage: register_table.sh BUILD [--write FILE | --check]}
mode=${2:-}
mapfile -t reports < <(find "$build" -name '*.o.ptxas' -path '*CMakeFiles*' | grep -vE '/tests/|/cub/' | sort)  # CUB's kernels are not ours
if [[ ${#reports[@]} -eq 0 ]]; then
  echo "$build holds no ptxas reports (*.o.ptxas): build it with CUDA first, for example ./test.sh cuda" >&2
  exit 1
fi

# One line a kernel: file|kernel|architecture|registers|stack|spill stores|spill loads|static shared bytes
rows() {
  for report in "${reports[@]}"; do
    local file=${report##*/}
    awk -v file="${file%.o.ptxas}" '
      /Compiling entry function/ { match($0, /\047[^\047]*\047/); name = substr($0, RSTART + 1, RLENGTH - 2)
                                   match($0, /sm_[0-9a-z]+/); arch = substr($0, RSTART, RLENGTH); stack = st = ld = 0 }
      /bytes stack frame/ { stack = $1; st = $5; ld = $9 }
      /Used [0-9]+ registers/ { match($0, /Used [0-9]+/); regs = substr($0, RSTART + 5, RLENGTH - 5)
                                smem = 0; if (match($0, /[0-9]+ bytes smem/)) { smem = substr($0, RSTART, RLENGTH - 11) }
                                print file "|" name "|" arch "|" regs "|" stack "|" st "|" ld "|" smem }' "$report"
  done | c++filt | sed -E 's/\(anonymous namespace\):://g; s/qcface::(kernels::)?(nn::)?(cuda::)?//g; s/\|void /|/; s/\([^|]*\)\|sm_/|sm_/; s/__nv_bfloat16/bf16/g; s/__half/f16/g' | sort -u
}

markdown() {
  echo "# Registers of the CUDA kernels"
  echo
  echo "As ptxas of $(nvcc_version) reports them; written by \`tests/gpu/register_table.sh BUILD --write docs/cuda-registers.md\`."
  echo "A stack frame or spills mean that a kernel's values do not fit in its registers; dynamic shared memory is not listed."
  echo
  echo "| file | kernel | architecture | registers | stack bytes | spill stores | spill loads | shared bytes |"
  echo "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
  rows | sed -E 's/</\&lt;/g; s/>/\&gt;/g; s/^/|/; s/\|/ | /g; s/^ //; s/$/ |/'
}

nvcc_version() {
  local nvcc
  nvcc=$(sed -n 's/^CMAKE_CUDA_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
  "${nvcc:-nvcc}" --version | sed -n 's/.*release [0-9.]*, V\(.*\)/nvcc \1/p'
}

case $mode in
  "") rows | column -t -s '|' ;;
  --write) markdown > "${3:?--write needs a file}" ;;
  --check)
    rows | column -t -s '|'
    spilled=$(rows | awk -F'|' '$6 > 0 || $7 > 0')
    if [[ -n $spilled ]]; then
      echo "these kernels spill registers:" >&2
      echo "$spilled" >&2
      exit 1
    fi ;;
  *) echo "unknown argument '$mode'" >&2; exit 1 ;;
esac
