# Sourced by run.sh: the steps, in order. The limits are guesses until a GPU was seen; without PyTorch's figures they fit into
# 8 minutes.
test_programs=(kernels nn_elementwise nn train)  # these must be there

# with NAME GROUP PROGRAM: whether the program is there; listed as missing if not.
with() {
  [[ -x $programs/$3 ]] && return 0
  missing "$1" "$2" "$3 is not among the programs"
  return 1
}
with_tool() {  # the same of a tool that not every machine has
  command -v "$3" >/dev/null && return 0
  missing "$1" "$2" "$3 is not on this machine" tool
  return 1
}

with conformance "" qcface_conformance &&
  step conformance "" 15 "$programs/qcface_conformance" --record "$out/instructions.json"

for tests in "${test_programs[@]}"; do  # side by side
  with "$tests" tests "qcface_tests_${tests}_cuda" &&
    start "$tests" tests 100 "$programs/qcface_tests_${tests}_cuda" -d yes
done
finish

# Small cases of every plan; the benchmark of the head compares what it ran with a reference on the host.
sanitize=(compute-sanitizer --error-exitcode 1 --print-limit 20 --tool)
with_tool memcheck-conformance sanitizer compute-sanitizer && with memcheck-conformance sanitizer qcface_conformance &&
  step memcheck-conformance sanitizer 10 "${sanitize[@]}" memcheck "$programs/qcface_conformance"
with_tool memcheck sanitizer compute-sanitizer && with memcheck sanitizer qcface_tests_kernels_cuda &&
  step memcheck sanitizer 25 "${sanitize[@]}" memcheck "$programs/qcface_tests_kernels_cuda" -d yes \
    "head types: 16-bit operands stay near the evidence, every plan"
with_tool racecheck sanitizer compute-sanitizer && with racecheck sanitizer qcface_bench_head_cuda &&
  step racecheck sanitizer 20 "${sanitize[@]}" racecheck "$programs/qcface_bench_head_cuda" --n 70 --k 200 --d 512 \
    --heads qcface --plans mma,wgmma --types bf16 --no-products --seconds 0 --warmup 0 --samples-min 1

# @budget@ is what the step may take, less some seconds: the benchmarks start nothing new after that, and end by themselves.
heads=(--n 512 --k 93431,1000000,2059906 --seconds 0.3 --warmup 0.1 --budget @budget@)
with head "" qcface_bench_head_cuda &&
  step head "" 85 "$programs/qcface_bench_head_cuda" "${heads[@]}" --heads qcface,curricular --types bf16,f32 --plans chunked \
    --json "$out/head.json"
with head-plans "" qcface_bench_head_cuda &&
  step head-plans "" 55 "$programs/qcface_bench_head_cuda" "${heads[@]}" --heads qcface --types bf16 \
    --plans wgmma,mma,chunked --json "$out/head-plans.json"
with step "" qcface_bench_step_cuda &&
  step step "" 85 "$programs/qcface_bench_step_cuda" --arch ir18,ir50,ir100 --batch 512,256,128 --types bf16,f16,f32 \
    --seconds 1.5 --warmup 0.5 --budget @budget@ --json "$out/step.json"

with scoring "" qcface_bench_scoring_cuda &&
  step scoring "" 30 "$programs/qcface_bench_scoring_cuda" --seconds 0.3 --budget @budget@ --json "$out/logs/scoring.json"

# PyTorch's figures for the same, if the convolutions and the profiler still have their time afterwards.
torch=no
python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null && torch=yes
if [[ $torch == yes ]]; then
  later=80
  with peers "" qcface_bench_step_cuda &&
    step peers "" 100 python3 "$root/bench/step/compare.py" --device cuda --bench "$programs/qcface_bench_step_cuda" \
      --arch ir18,ir50,ir100 --batch 512 --types bf16 --peers eager,compiled --seconds 1 --budget @budget@ --no-ours \
      --json "$out/step-peers.json"
  later=0
else
  missing peers "" "python3 has no PyTorch that sees the GPU" tool
fi

convolutions=(--types bf16,f32 --seconds 0.1 --budget @budget@ --json "$out/convolutions.json")
with convolutions "" qcface_bench_convolution_cuda &&
  step convolutions "" 20 "$programs/qcface_bench_convolution_cuda" "${convolutions[@]}"
if [[ $torch == yes ]]; then
  step convolution-peers "" 25 python3 "$root/bench/convolution/peer_torch.py" "${convolutions[@]}"
else
  missing convolution-peers "" "python3 has no PyTorch that sees the GPU" tool
fi

# Ten million classes on one GPU, and the published head. Their rows lie with the logs, as those of scoring do.
with head-large "" qcface_bench_head_cuda &&
  step head-large "" 60 "$programs/qcface_bench_head_cuda" --n 512 --k 10000000 --heads qcface --types bf16 \
    --plans chunked --no-products --seconds 0.3 --warmup 0.1 --budget @budget@ --json "$out/logs/head-large.json"
if [[ $torch == yes ]]; then
  with head-peers "" qcface_bench_head_cuda &&
    step head-peers "" 60 python3 "$root/bench/head/peers.py" --device cuda --program "$programs/qcface_bench_head_cuda" \
      --n 512 --k 93431 --heads qcface --types bf16 --peers torch-eager,torch-compile --rounds 1 --seconds 0.5 \
      --json "$out/logs/head-peers.json"
else
  missing head-peers "" "python3 has no PyTorch that sees the GPU" tool
fi

with_tool profile "" ncu && with profile "" qcface_bench_head_cuda &&
  step profile "" 40 "$here/profile.sh" "$programs"

if [[ $sanitizer == yes ]]; then
  for tests in "${test_programs[@]}"; do
    for check in memcheck racecheck; do
      with_tool "$check-$tests" sanitizer compute-sanitizer && with "$check-$tests" sanitizer "qcface_tests_${tests}_cuda" &&
        step "$check-$tests" sanitizer 1200 "${sanitize[@]}" "$check" "$programs/qcface_tests_${tests}_cuda" -d yes '~[slow]'
    done
  done
fi
