# Sourced by run.sh: the GPU programs for this machine's GPU, in build/gpu. Without OpenCV, oneDNN or the other libraries of
# the harness only the kernel library is built; run.sh then lists the rest as missing.
programs=$root/build/gpu/bin
cmake --version >/dev/null || stop "cmake is missing; it is needed without --programs"
architecture=${capability/./}
[[ $architecture == 90 ]] && architecture=90a
configure=(cmake -S "$root" -B "$root/build/gpu" -DCMAKE_BUILD_TYPE=Release -DQCFACE_CUDA=ON
           "-DQCFACE_CUDA_ARCHITECTURES=$architecture" -DQCFACE_BUILD_BENCH=ON)
command -v ninja >/dev/null && configure+=(-G Ninja)
say "configure"
if ! "${configure[@]}" >"$out/configure.log" 2>&1; then
  echo "libraries of the harness are missing here; only the kernel library is built:"
  grep -A3 'CMake Error' "$out/configure.log" | head -4
  rm -rf "$root/build/gpu"
  "${configure[@]}" -DQCFACE_KERNELS_ONLY=ON || stop "configuring failed, also for the kernel library alone"
fi
rm -f "$out/configure.log"
say "build"
cmake --build "$root/build/gpu" -j "$(nproc)" --target qcface_gpu_programs || stop "the build failed"
echo "$commit" >"$programs/COMMIT"  # the benchmarks write it into their files
