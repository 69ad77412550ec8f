# The hand-written element-wise kernels of the CUDA backend: QCFACE_ELEMENTWISE_SOURCES (compiled by nvcc, or emulated) and
# QCFACE_ELEMENTWISE_HOST_SOURCES (host files that go with them).
set(QCFACE_ELEMENTWISE_SOURCES)
foreach(_file batch_norm_statistics bias convert finite flatten image pointwise_backward pointwise_forward sgd)
  list(APPEND QCFACE_ELEMENTWISE_SOURCES "${CMAKE_CURRENT_LIST_DIR}/${_file}.cu")
endforeach()
set(QCFACE_ELEMENTWISE_HOST_SOURCES "${CMAKE_CURRENT_LIST_DIR}/check.cpp")
