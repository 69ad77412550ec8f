#!/usr/bin/env bash
# Nsight Compute's summary of the kernels that matter, one launch each. usage: profile.sh PROGRAMS
# The benchmark runs every kernel a few times on a small case first: those launches are passed over. Exit status 76: this
# machine lets nobody read the counters.
set -uo pipefail
programs=${1:?usage: profile.sh PROGRAMS}
failed=0
profile() {  # profile KERNEL SKIP COMMAND...
  local kernel=$1 skip=$2
  shift 2
  printf '\n== %s\n' "$kernel"
  local said status
  said=$(ncu --clock-control none --set basic --kernel-name "regex:^$kernel" --launch-skip "$skip" --launch-count 1 "$@" 2>&1)
  status=$?
  printf '%s\n' "$said"
  if [[ $said == *ERR_NVGPUCTRPERM* ]]; then
    echo "reading the GPU's counters is not permitted on this machine"
    exit 76
  fi
  [[ $status -eq 0 && $said != *"No kernels were profiled"* ]] || failed=1
}
head=("$programs/qcface_bench_head_cuda" --n 512 --k 93431 --heads qcface --types bf16 --no-products --seconds 0 --warmup 0
      --samples-min 1)
profile wgmma_sums 1 "${head[@]}" --plans wgmma
profile wgmma_weights 1 "${head[@]}" --plans wgmma
profile exponentials 4 "${head[@]}" --plans chunked
profile class_update 4 "${head[@]}" --plans chunked
if [[ -x $programs/qcface_bench_step_cuda ]]; then
  profile forward_kernel 20 "$programs/qcface_bench_step_cuda" --arch ir18 --batch 512 --types bf16 --no-parts \
    --seconds 0 --warmup 0 --samples-min 1
fi
exit $failed
