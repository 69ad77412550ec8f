# Target qcface_gpu_programs: every program of this configuration that wants a GPU. tests/gpu/pack.sh packs them and
# tests/gpu/run.sh runs them; their names end in _cuda.
add_custom_target(qcface_gpu_programs)
foreach(_program
    qcface_conformance
    qcface_tests_kernels_cuda qcface_tests_nn_elementwise_cuda qcface_tests_nn_cuda
    qcface_tests_train_cuda
    qcface_bench_head_cuda qcface_bench_step_cuda qcface_bench_convolution_cuda qcface_bench_scoring_cuda)
  if(TARGET ${_program})
    add_dependencies(qcface_gpu_programs ${_program})
  endif()
endforeach()
