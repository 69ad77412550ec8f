/* libqcface_kernels: margin-softmax heads with decoupled magnitude guidance (QCFace, arXiv 2510.15289).
 *
 * One head step takes raw embeddings x [N, D], raw class weights w [K_loc, D] and labels [N], and gives the
 * loss, row values and gradients without ever holding an [N, K] array:
 *
 *   z_i = |x_i|     xh = x / max(z, 1e-12)     wh_j = w_j / max(|w_j|, 1e-12)     y = label
 *   c_ij = clamp(xh_i . wh_j, -1, 1)
 *   T    = target rule of c_iy (angle + m, see qcf_rule)
 *   N_ij = negative rule of c_ij (see qcf_head_kind)
 *   d_i  = log sum_{j != y} exp(s N_ij) - s T_i          nll_i = log(1 + exp d_i)
 *   p_i  = sigmoid(s c_iy - log sum_{j != y} exp(s c_ij))
 *   f(z, p) = A(p) / (z + eps) + E(p) z                  L_g,i = f(z_i, p_i) - f(z*(p_i), p_i)
 *   loss_id = mean nll                                   loss  = loss_id + lambda mean L_g   (phase norm)
 *
 * p and z* carry no gradient, so the gradient of x_i is a part across x_i (direction; from loss_id alone)
 * plus a part along x_i (magnitude; from L_g alone), and lambda cannot change a bit of the first or of dw.
 *
 * Rules that hold for every call
 * - All matrices are row-major, contiguous fp32. Row values and gradients are fp32; sums that cross rows are
 * double.
 * - The caller owns all memory. No call allocates, keeps a pointer or touches a global. Outputs may be NULL
 * where said so; outputs must not overlap inputs or each other (t is read and written).
 * - A call returns a status; on anything but QCF_OK the context's `error` names the tensor, the row and what
 * was expected. Outputs are then unspecified, except that t is unchanged.
 * - CPU: the same inputs give the same bits, whatever `threads` is. Instruction sets may differ in the last
 * bits.
 * - CUDA: every pointer in args (t, losses, lr and the workspace included) is device memory; structs are host
 * memory. Calls enqueue on context.stream and return; none synchronises or allocates, and every call but
 * qcf_head_check can be captured in a CUDA graph. What is wrong with the arguments is returned at once; what is
 * wrong with the data (a label out of range, NaN) is recorded in the workspace and reported by qcf_head_check.
 * A recorded error keeps the later stages from writing t, w, velocity and dw. The same inputs give the same bits
 * on the same kind of GPU and plan.
 * - Enums end in ..._MAX_ENUM, so that any value a caller hands over can be read and refused.
 * - One context serves one call at a time; several contexts may be used at once.
 */
#ifndef QCFACE_KERNELS_H_
#define QCFACE_KERNELS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define QCF_NODISCARD [[nodiscard]]
#else
#define QCF_NODISCARD
#endif

/* ---- status and context ---- */

typedef enum qcf_status {
  QCF_OK = 0,
  QCF_INVALID_ARGUMENT = 1,   /* a NULL pointer, a size, a setting out of range, a misaligned pointer */
  QCF_LABEL_OUT_OF_RANGE = 2, /* labels[row] outside [0, K) */
  QCF_NOT_FINITE = 3,         /* NaN or infinity in x or w */
  QCF_WORKSPACE_TOO_SMALL = 4,
  QCF_UNSUPPORTED = 5 /* a device or head that this build does not have */
} qcf_status;

/* The status as a word, for example "label out of range". Never NULL. */
const char* qcf_status_name(qcf_status status);

/* How the CUDA head runs. AUTO asks the table of qcf_head_plan; a forced plan that cannot run (architecture, type,
 * width) is QCF_UNSUPPORTED, with the reason. Unused on the CPU. */
typedef enum qcf_plan {
  QCF_PLAN_AUTO = 0,
  QCF_PLAN_CHUNKED = 1, /* chunks of classes that stay in L2: cuBLASLt products, fused kernels between them */
  QCF_PLAN_MMA = 2,     /* one kernel a pass on mma.sync: 16-bit operands, sm_80 or later */
  QCF_PLAN_WGMMA = 3,   /* one kernel a pass on wgmma and TMA, warp-specialised: 16-bit operands, sm_90a */
  QCF_PLAN_MAX_ENUM = 0x7fffffff
} qcf_plan;

/* Type of the operands of the products (unit rows of x and w). Sums, row values and gradients are fp32 or wider in
 * every case, and the target cosine always comes from the fp32 inputs. */
typedef enum qcf_type {
  QCF_TYPE_F32 = 0,
  QCF_TYPE_BF16 = 1,
  QCF_TYPE_F16 = 2,
  QCF_TYPE_MAX_ENUM = 0x7fffffff
} qcf_type;

typedef enum qcf_device {
  QCF_DEVICE_CPU = 0,
  QCF_DEVICE_CUDA = 1,
  QCF_DEVICE_MAX_ENUM = 0x7fffffff
} qcf_device;

/* Instruction set of the CPU kernels. AUTO takes the best that the processor offers; the others exist for
 * tests and for comparing machines bit by bit. One that the processor lacks is QCF_UNSUPPORTED. */
typedef enum qcf_isa {
  QCF_ISA_AUTO = 0,
  QCF_ISA_BASELINE = 1,
  QCF_ISA_AVX2 = 2,
  QCF_ISA_AVX512 = 3,
  QCF_ISA_MAX_ENUM = 0x7fffffff
} qcf_isa;

#define QCF_ERROR_TEXT_SIZE 512

/* Lives in the caller's memory; make it with qcf_context_init. */
typedef struct qcf_context {
  uint32_t struct_size; /* sizeof(qcf_context) */
  qcf_device device;
  int32_t device_index; /* CUDA only */
  int32_t threads;      /* CPU threads, 0 = as many as OpenMP would use */
  qcf_isa isa;
  void* stream;   /* CUDA stream, borrowed; NULL = the default stream. Unused on the CPU */
  void* cublaslt; /* cublasLtHandle_t, borrowed or from qcf_cuda_open; needed by QCF_PLAN_CHUNKED */
  qcf_plan plan;  /* QCF_PLAN_AUTO */
  int32_t tf32;   /* 1: fp32 products may use TF32 (CUDA). 0, the default: full fp32 */
  char error[QCF_ERROR_TEXT_SIZE]; /* text of the last error, "" before any */
} qcf_context;

void qcf_context_init(qcf_context* context, qcf_device device);

/* Creates the library handles of a CUDA context (allocates; once a context). On the CPU it does nothing. */
QCF_NODISCARD qcf_status qcf_cuda_open(qcf_context* context);
/* Destroys what qcf_cuda_open made. NULL and unopened contexts are allowed. */
void qcf_cuda_close(qcf_context* context);
/* "auto", "chunked", "mma", "wgmma" */
const char* qcf_plan_name(qcf_plan plan);
int qcf_plan_from_name(const char* name, qcf_plan* plan);
/* "f32", "bf16", "f16" */
const char* qcf_type_name(qcf_type type);

/* Whether this build and processor can run `isa`. */
int qcf_isa_available(qcf_isa isa);
/* The instruction set that a context would use, as "baseline", "avx2" or "avx512". Never NULL. */
const char* qcf_isa_name(const qcf_context* context);

/* ---- heads ---- */

typedef enum qcf_head_kind {
  QCF_HEAD_QCFACE = 0,     /* "qcface":     negatives N = c */
  QCF_HEAD_QCFACE_CUR = 1, /* "qcface-cur": a hard negative (c_ij > cos(theta_iy + m)) has N = c (t + c) */
  QCF_HEAD_QCFACE_MV = 2,  /* "qcface-mv":  a hard negative has N = a c + a - 1 */
  QCF_HEAD_MAX_ENUM = 0x7fffffff
} qcf_head_kind;

/* Target rule with M = cos(theta + m):
 *   easy       T = M if c > 0, else c
 *   threshold  T = M if c > cos(pi - m), else c - m sin(pi - m)
 *   none       T = M */
typedef enum qcf_rule {
  QCF_RULE_EASY = 0,
  QCF_RULE_THRESHOLD = 1,
  QCF_RULE_NONE = 2,
  QCF_RULE_MAX_ENUM = 0x7fffffff
} qcf_rule;

/* id: loss = loss_id, no magnitude gradient. norm: loss = loss_id + lambda loss_g. */
typedef enum qcf_phase { QCF_PHASE_ID = 0, QCF_PHASE_NORM = 1, QCF_PHASE_MAX_ENUM = 0x7fffffff } qcf_phase;

/* Number of heads; kinds are 0 .. count-1. */
int qcf_head_count(void);
/* "qcface", "qcface-cur", "qcface-mv"; NULL for an unknown kind. */
const char* qcf_head_name(qcf_head_kind kind);
/* 1 and *kind set if `name` is a head, else 0. */
int qcf_head_from_name(const char* name, qcf_head_kind* kind);
/* "easy", "threshold", "none" */
const char* qcf_rule_name(qcf_rule rule);
int qcf_rule_from_name(const char* name, qcf_rule* rule);
/* Whether the head keeps the scalar t between steps (it must then be saved with the model). */
int qcf_head_has_t(qcf_head_kind kind);

typedef struct qcf_head_config {
  uint32_t struct_size; /* sizeof(qcf_head_config) */
  qcf_head_kind kind;
  qcf_rule rule;    /* the published default of the head: easy, threshold (cur), easy (mv) */
  qcf_phase phase;  /* QCF_PHASE_ID */
  int32_t training; /* 1: t is updated; 0: t is used as it is */
  double s;         /* 64, scale; in (0, 1e4] */
  double m;         /* 0.5, margin in radians; in [0, pi/2] */
  double lambda;    /* 1, weight of the magnitude loss */
  double ua, la,
      eps;     /* 100, 1, 1e-3: range of lengths and guard of the magnitude loss; ua > la > 0, eps > 0 */
  double mv_a; /* 1.12, weight of hard negatives of qcface-mv; >= 1 */
  double t_momentum; /* 0.01: t <- 0.01 mean c_iy + 0.99 t, before use in the same step */
  double s_min;      /* 1e-4, floor under sin(theta) in the margin's slope; > 0 */
} qcf_head_config;

/* Published defaults of the head. */
void qcf_head_config_init(qcf_head_config* config, qcf_head_kind kind);

typedef enum qcf_label_type {
  QCF_LABEL_I64 = 0,
  QCF_LABEL_I32 = 1,
  QCF_LABEL_MAX_ENUM = 0x7fffffff
} qcf_label_type;
typedef enum qcf_gradient_mode {
  QCF_GRADIENT_OVERWRITE = 0,
  QCF_GRADIENT_ACCUMULATE = 1,
  QCF_GRADIENT_MAX_ENUM = 0x7fffffff
} qcf_gradient_mode;

/* Optional: the optimiser's step on the class weights inside qcf_head_weights, so that dw never lands:
 *   G' = dw + weight_decay w    velocity <- momentum velocity + G'    w <- w - lr velocity     (velocity starts at 0)
 * element by element in fp32. */
typedef struct qcf_sgd {
  float* w; /* [K_loc, D] the same array as args.w, now written; the row is read before it is written */
  float* velocity;     /* [K_loc, D] in/out */
  const float* lr;     /* [1] learning rate, read when the stage runs (a captured graph sees later values) */
  const int32_t* skip; /* [1] or NULL: not 0 = leave w, velocity, dw and unit_w as they are */
  float momentum, weight_decay;
} qcf_sgd;

/* Everything one step reads and writes. Make it with qcf_head_args_init, which sets all pointers NULL and all
 * options to their usual values. */
typedef struct qcf_head_args {
  uint32_t struct_size; /* sizeof(qcf_head_args) */

  /* sizes */
  int64_t n;            /* rows; 0 is allowed: losses 0, dw 0 */
  int64_t d;            /* embedding width, >= 1 */
  int64_t k_loc;        /* class rows in w, >= 1 */
  int64_t k_total;      /* all classes, >= 2; 0 = k_loc */
  int64_t class_offset; /* w's first row is this class; 0 in an unsharded run */
  int64_t batch_total;  /* B of every mean and gradient; 0 = n. Differs when other ranks hold the rest of the
                           batch:  the losses of the ranks then add up to the mean */

  /* inputs */
  const float* x;     /* [N, D] raw embeddings */
  const float* w;     /* [K_loc, D] raw class weights */
  const void* labels; /* [N] classes in [0, k_total), of label_type. One outside this rank's rows of w belongs
                         to another rank (staged calls only) */
  qcf_label_type label_type;
  float* t;                  /* [1] in/out, heads with t only; else may be NULL */
  const double* target_mean; /* NULL: t uses the mean of this call's N target cosines; else this value */
  qcf_type operand_type;     /* QCF_TYPE_F32; the CPU has no other */
  void* unit_w; /* NULL, or [K_loc, D] of operand_type: w's unit rows, as qcf_unit_rows makes them, which
                                the passes then read instead of w; sgd refreshes them. CUDA only. D % 8 == 0 and
                                16-byte alignment; QCF_PLAN_MMA and QCF_PLAN_WGMMA need it */

  /* losses, double: [0] loss, [1] loss_id, [2] loss_g (0 in phase id). May be NULL. */
  double* losses;

  /* row values, [N] each, each may be NULL */
  float* row_z;           /* length of x_i */
  float* row_c;           /* target cosine */
  float* row_t;           /* target logit T */
  float* row_nll;         /* identity loss */
  float* row_one_minus_q; /* 1 - (margin softmax's probability of the label), accurate near 0 */
  float* row_p;           /* plain softmax's probability of the label (no margin) */
  float* row_zstar;       /* preferred length z*(p) */
  float* row_lg;          /* magnitude loss f(z) - f(z*); also in phase id */
  float* row_dz;      /* dL/dz, the radial gradient: (lambda / B) f'(z); 0 in phase id and for a zero row */
  float* row_tangent; /* length of the direction part of dL/dx_i; needs k_loc == k_total */
  int32_t* row_rank;  /* number of classes j with c_ij > c_iy: 0 = top-1 correct, < 5 = top-5 correct */
  int32_t* row_hard;  /* number of negatives that the cur / mv rule rewrote; 0 for qcface */

  /* gradients, each may be NULL; NULL ones cost nothing */
  float* dx;                 /* [N, D] direction + magnitude, overwritten */
  float* dx_direction;       /* [N, D] orthogonal to x_i, overwritten */
  float* dx_magnitude;       /* [N, D] parallel to x_i, overwritten */
  float* dw;                 /* [K_loc, D] */
  qcf_gradient_mode dw_mode; /* overwrite, or add to what dw holds */
  const qcf_sgd* sgd;        /* NULL: none. With it dw may be NULL; if dw is given it is overwritten */

  /* scratch: at least qcf_head_workspace_bytes, 64-byte aligned. Holds the state between staged calls. */
  void* workspace;
  size_t workspace_bytes;
} qcf_head_args;

void qcf_head_args_init(qcf_head_args* args);

/* Bytes of workspace for these sizes and requests (pointers are only looked at for NULL or not; x, w and labels may
 * be missing) and for the context's threads. Bounded, with N' and D' = N and D rounded up to the vector panel (16 or
 * 32), P = min(32, tiles of 96 classes) partial sums and T <= min(threads, tiles) workers, by
 *   4 (P + 2) N' D' + 4 T (96 (N' + D') + 6 N' + 384) + (32 P + 128) N' bytes + 2 KiB, and K adds nothing beyond P.
 * N = 64, D = 512, T = 2, any K: 4.8 MiB. */
QCF_NODISCARD qcf_status qcf_head_workspace_bytes(qcf_context* context, const qcf_head_config* config,
                                                  const qcf_head_args* args, size_t* bytes);

/* The whole step: losses, row values, gradients and t. Needs every class here (k_loc == k_total).
 * Errors: sizes, NULL or misaligned pointers, settings; labels out of range; NaN or infinity in x or w;
 * k_total < 2. A row with z < 1e-12 has no direction: its dx is 0. A class weight shorter than 1e-12
 * likewise: its dw is 0. Work: 2 N K D flops a product, two products for the loss and dx, two more for dw; w
 * is read twice, dw written once. */
QCF_NODISCARD qcf_status qcf_head_step(qcf_context* context, const qcf_head_config* config,
                                       const qcf_head_args* args);

/* ---- the same step in stages, for class-sharded runs ----
 * Call the four in this order with the same arguments; between them reduce the exchange arrays over the ranks
 * that share the classes (every rank holds all N rows of x and labels). One rank needs no reduction and gets
 * the same bits as qcf_head_step.
 *
 *   prepare   checks; lengths, unit rows; target cosines of the labels held here       -> reduce `target`
 *   sums      t; one pass over w: sums of exponentials, ranks, weighted class vectors  -> reduce `log_sums`, `counts`
 *   finish    t written; losses, row values, dx
 *   weights   second pass over w: dw. Without dw it does nothing
 *
 * dx_direction holds this rank's classes' share: the ranks' shares add up; dx_magnitude is the same on every
 * rank. `dx` therefore needs k_loc == k_total. */
typedef struct qcf_head_exchange {
  double* target;   /* [2, N] c_iy, then |wh_y - c xh_i|; 0 where the class lives elsewhere. Sum over the
                       ranks. */
  double* log_sums; /* [2, N] log sum_{j != y} exp(s N_ij), then of exp(s c_ij), over this rank's classes
                       (-1e300 for none). Combine by log-sum-exp: qcf_log_sum_exp. */
  double* counts;   /* [2, N] rank and hard counts. Sum over the ranks. */
} qcf_head_exchange;

QCF_NODISCARD qcf_status qcf_head_exchange_view(qcf_context* context, const qcf_head_config* config,
                                                const qcf_head_args* args, qcf_head_exchange* exchange);
QCF_NODISCARD qcf_status qcf_head_prepare(qcf_context* context, const qcf_head_config* config,
                                          const qcf_head_args* args);
QCF_NODISCARD qcf_status qcf_head_sums(qcf_context* context, const qcf_head_config* config,
                                       const qcf_head_args* args);
QCF_NODISCARD qcf_status qcf_head_finish(qcf_context* context, const qcf_head_config* config,
                                         const qcf_head_args* args);
QCF_NODISCARD qcf_status qcf_head_weights(qcf_context* context, const qcf_head_config* config,
                                          const qcf_head_args* args);
/* Errors that the stages found in the data, and errors of the device: on CUDA waits for the stream and reads the record
 * in the workspace; on the CPU returns QCF_OK, because the stages have reported already. */
QCF_NODISCARD qcf_status qcf_head_check(qcf_context* context, const qcf_head_config* config,
                                        const qcf_head_args* args);
/* The plan that these arguments would run with, never QCF_PLAN_AUTO (on the CPU: QCF_PLAN_CHUNKED). */
QCF_NODISCARD qcf_status qcf_head_plan(qcf_context* context, const qcf_head_config* config,
                                       const qcf_head_args* args, qcf_plan* plan);
/* unit [rows, D] of `type` = rows divided by max(length, 1e-12). CUDA: device pointers. */
QCF_NODISCARD qcf_status qcf_unit_rows(qcf_context* context, int64_t rows, int64_t d, const float* matrix,
                                       qcf_type type, void* unit);
/* out[i] = log sum_r exp(parts[r * count + i]); out may be parts itself. Host memory. */
void qcf_log_sum_exp(const double* parts, int64_t ranks, int64_t count, double* out);

/* Plain cosines: out [N, K] = scale * clamp(xh . wh^T, -1, 1). Touches no state. workspace as in
 * qcf_head_args; bytes from qcf_cosines_workspace_bytes. */
QCF_NODISCARD qcf_status qcf_cosines_workspace_bytes(qcf_context* context, int64_t n, int64_t d, int64_t k,
                                                     size_t* bytes);
QCF_NODISCARD qcf_status qcf_cosines(qcf_context* context, int64_t n, int64_t d, int64_t k, const float* x,
                                     const float* w, double scale, float* out, void* workspace,
                                     size_t workspace_bytes);

/* The magnitude loss by itself, for analysis: f(z, p) - f(z*(p), p), its slope in z and z*(p); any out may be
 * NULL. */
void qcf_magnitude_loss(const qcf_head_config* config, double z, double p, double* excess, double* slope,
                        double* zstar);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* QCFACE_KERNELS_H_ */
