#!/usr/bin/env bash
# Nsight Compute's summary of the kernels that matter, one launch each. usage: profile.sh PROGRAMS
# The benchmark runs every kernel a few times on a small case first: those launches are passed over.
set -uo pipefail
programs=${1:?usage: profile.sh PROGRAMS}
failed=0
profile() {  # profile KERNEL SKIP COMMAND...
  local kernel=$1 skip=$2
  shift 2
  printf '\n== %s\n' "$kernel"
  ncu --clock-control none --set basic --kernel-name "regex:^$kernel" --launch-skip "$skip" --launch-count 1 "$@" || failed=1
}
head=("$programs/qcface_bench_head_cuda" --n 512 --k 93431 --heads qcface --types bf16 --no-products --seconds 0 --warmup 0
      --samples-min 1)
profile wgmma_sums 1 "${head[@]}" --plans wgmma
profile wgmma_weights 1 "${head[@]}" --plans wgmma
profile exponentials 4 "${head[@]}" --plans chunked
profile class_update 4 "${head[@]}" --plans chunked
exit $failed
