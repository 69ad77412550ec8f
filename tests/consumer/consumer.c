/* One head step through the installed library, and the same loss by plain loops. */
#include <math.h>
#include <qcface/kernels.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, D = 4, K = 5 };

static double cosine(const float* a, const float* b) {
  double dot = 0, aa = 0, bb = 0;
  for (int e = 0; e < D; ++e) {
    dot += (double)a[e] * b[e];
    aa += (double)a[e] * a[e];
    bb += (double)b[e] * b[e];
  }
  return dot / sqrt(aa * bb);
}

int main(void) {
  float x[N * D], w[K * D], dx[N * D], dw[K * D];
  const int64_t labels[N] = {4, 0, 2};
  for (int i = 0; i < N * D; ++i) x[i] = (float)(i * 7 % 11) - 4.5f;
  for (int i = 0; i < K * D; ++i) w[i] = (float)(i * 5 % 13) - 5.5f;

  qcf_context context;
  qcf_head_config config;
  qcf_head_args args;
  double losses[3], want = 0;
  qcf_context_init(&context, QCF_DEVICE_CPU);
  qcf_head_config_init(&config, QCF_HEAD_COSFACE);
  config.s = 8;
  qcf_head_args_init(&args);
  args.n = N;
  args.d = D;
  args.k_loc = K;
  args.x = x;
  args.w = w;
  args.labels = labels;
  args.losses = losses;
  args.dx = dx;
  args.dw = dw;
  if (qcf_head_workspace_bytes(&context, &config, &args, &args.workspace_bytes) != QCF_OK) {
    fprintf(stderr, "%s\n", context.error);
    return 1;
  }
  args.workspace_bytes = (args.workspace_bytes + 63) / 64 * 64;
  char* const memory = malloc(args.workspace_bytes + 64);
  args.workspace = memory + (64 - (uintptr_t)memory % 64);
  if (qcf_head_step(&context, &config, &args) != QCF_OK) {
    fprintf(stderr, "%s\n", context.error);
    return 1;
  }
  free(memory);

  for (int i = 0; i < N; ++i) {
    double sum = 0, target = 0;
    for (int j = 0; j < K; ++j) {
      const double c = cosine(x + i * D, w + j * D);
      if (j == labels[i]) target = config.s * (c - config.m);
      sum += exp(config.s * (j == labels[i] ? c - config.m : c));
    }
    want += (log(sum) - target) / N;
  }
  if (fabs(losses[0] - want) > 1e-5 * want) {
    fprintf(stderr, "loss %.9g, expected %.9g\n", losses[0], want);
    return 1;
  }

  /* A context of the other device either works or says why not. */
  qcf_context cuda;
  qcf_context_init(&cuda, QCF_DEVICE_CUDA);
  const qcf_status status = qcf_cuda_open(&cuda);
  if (status != QCF_OK && (status != QCF_UNSUPPORTED || strlen(cuda.error) == 0)) {
    fprintf(stderr, "CUDA: status %d without a reason\n", (int)status);
    return 1;
  }
  printf("C: qcface %s, loss %.6f; CUDA: %s\n", qcf_version(), losses[0],
         status == QCF_OK ? "available" : cuda.error);
  qcf_cuda_close(&cuda);
  return 0;
}
