/** @file
 * libqcface_kernels: margin-softmax heads for face recognition, among them QCFace's with decoupled magnitude guidance
 * (arXiv 2510.15289).
 *
 * One head step takes raw embeddings x [N, D], raw class weights w [K_loc, D] and labels [N], and gives the
 * loss, row values and gradients without ever holding an [N, K] array:
 *
 *   z_i = |x_i|     xh = x / max(z, 1e-12)     wh_j = w_j / max(|w_j|, 1e-12)     y = label
 *   c_ij = clamp(xh_i . wh_j, -1, 1)
 *   T    = target rule of the head (angle + m, see qcf_rule, or what qcf_head_kind says)
 *   N_ij = negative rule of c_ij (see qcf_head_kind)
 *   d_i  = log sum_{j != y} exp(s N_ij) - s T_i          nll_i = log(1 + exp d_i)
 *   p_i  = sigmoid(s c_iy - log sum_{j != y} exp(s c_ij))
 *   f(z, p) = A(p) / (z + eps) + E(p) z                  L_g,i = f(z_i, p_i) - f(z*(p_i), p_i)
 *   loss_id = mean nll                                   loss  = loss_id + lambda mean L_g   (phase norm)
 *
 * In the qcface heads p and z* carry no gradient, so the gradient of x_i is a part across x_i (direction; from loss_id
 * alone) plus a part along x_i (magnitude; from L_g alone), and lambda cannot change a bit of the first or of dw.
 * MagFace has its own L_g and lets loss_id push lengths; the other heads have L_g = 0 and no part along x_i.
 *
 * Rules that hold for every call
 * - All matrices are row-major and contiguous; x is fp32, bf16 or fp16, every other matrix fp32 unless it says so. Row
 * values and gradients are fp32; sums that cross rows are double.
 * - The caller owns all memory. No call allocates, keeps a pointer or touches a global. Outputs may be NULL
 * where said so; outputs must not overlap inputs or each other (t and length_stats are read and written).
 * - Pointers are aligned to their element type (unit_w to 16 bytes, workspace to 64); this is checked.
 * - A call returns a status; on anything but QCF_OK the context's `error` names the tensor, the row and what
 * was expected. Outputs are then unspecified, except that t and length_stats are unchanged.
 * - CPU: the same inputs give the same bits, whatever `threads` is. Instruction sets may differ in the last
 * bits.
 * - CUDA: every pointer in args (t, length_stats, losses, sampled, lr and the workspace included) is device memory; structs are host
 * memory. Calls enqueue on context.stream and return; none synchronises or allocates, and every call but
 * qcf_head_check can be captured in a CUDA graph. What is wrong with the arguments is returned at once; what is
 * wrong with the data (a label out of range, NaN) is recorded in the workspace and reported by qcf_head_check.
 * A recorded error keeps the later stages from writing t, length_stats, w, its slots and dw.
 * - CUDA: a call makes context.device_index the calling thread's current device and leaves it so (cudaSetDevice).
 * - What a call costs the host: arguments are checked and the plan is made once a call, whatever the data; a captured graph
 * does neither again. bench/head prints the host's time of a call.
 * - Every mode is deterministic: on CUDA too the same inputs give the same bits on the same kind of GPU and plan. There
 * is no faster mode that is not.
 * - Structs that a caller makes begin with struct_size and grow at their end only. The init functions write the caller's own
 * size there, so a program compiled with an older header goes on working with a newer library: members that it does not
 * have count as 0, NULL or, in qcf_head_config, the published default. A struct larger than the library knows is refused.
 * - Enums end in ..._MAX_ENUM, so that any value a caller hands over can be read and refused.
 * - One context serves one call at a time; several contexts may be used at once.
 */
#ifndef QCFACE_KERNELS_H_
#define QCFACE_KERNELS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
/** Marks results that must be looked at (C++ only). */
#define QCF_NODISCARD [[nodiscard]]
#else
#define QCF_NODISCARD
#endif

/* ---- status and context ---- */

/** What a call returns. */
typedef enum qcf_status {
  QCF_OK = 0,                  /**< all outputs are written (on CUDA: enqueued) */
  QCF_INVALID_ARGUMENT = 1,    /**< a NULL pointer, a size, a setting out of range, a misaligned pointer */
  QCF_LABEL_OUT_OF_RANGE = 2,  /**< labels[row] outside [0, K), or not in `sampled` */
  QCF_NOT_FINITE = 3,          /**< NaN or infinity in x, w, t, length_stats, lr */
  QCF_WORKSPACE_TOO_SMALL = 4, /**< the text says how many bytes are needed */
  QCF_UNSUPPORTED = 5          /**< a device or head that this build does not have */
} qcf_status;

/** Version of the library that runs, as "major.minor.patch". Never NULL. The soname changes with the major number, or
 * with the minor one before 1.0. */
const char* qcf_version(void);

/** The status as a word, for example "label out of range". Never NULL. */
const char* qcf_status_name(qcf_status status);

/** How the CUDA head runs. AUTO asks the table of qcf_head_plan; a forced plan that cannot run (architecture, type,
 * width) is QCF_UNSUPPORTED, with the reason. Unused on the CPU. */
typedef enum qcf_plan {
  QCF_PLAN_AUTO = 0,    /**< the library's table decides */
  QCF_PLAN_CHUNKED = 1, /**< chunks of classes in L2: cuBLASLt products, fused kernels between them */
  QCF_PLAN_MMA = 2,     /**< one kernel a pass on mma.sync: 16-bit operands, sm_80 or later */
  QCF_PLAN_WGMMA = 3,   /**< one kernel a pass on wgmma and TMA, warp-specialised: 16-bit operands, sm_90a */
  QCF_PLAN_MAX_ENUM = 0x7fffffff /**< not a plan */
} qcf_plan;

/** Type of matrix elements: of x, and of the operands of the products (unit rows of x and w). Sums, row values and
 * gradients are fp32 or wider in every case, and the target cosine always comes from x and w as they were given. */
typedef enum qcf_type {
  QCF_TYPE_F32 = 0,              /**< IEEE single */
  QCF_TYPE_BF16 = 1,             /**< upper half of an IEEE single */
  QCF_TYPE_F16 = 2,              /**< IEEE half */
  QCF_TYPE_MAX_ENUM = 0x7fffffff /**< not a type */
} qcf_type;

/** Where a context computes, and whose memory its pointers name. */
typedef enum qcf_device {
  QCF_DEVICE_CPU = 0,              /**< host memory */
  QCF_DEVICE_CUDA = 1,             /**< memory of the context's GPU */
  QCF_DEVICE_MAX_ENUM = 0x7fffffff /**< not a device */
} qcf_device;

/** Instruction set of the CPU kernels. AUTO takes the best that the processor offers; the others exist for
 * tests and for comparing machines bit by bit. One that the processor lacks is QCF_UNSUPPORTED. */
typedef enum qcf_isa {
  QCF_ISA_AUTO = 0,             /**< the best that the processor has */
  QCF_ISA_BASELINE = 1,         /**< what the compiler targets without options */
  QCF_ISA_AVX2 = 2,             /**< AVX2 and FMA */
  QCF_ISA_AVX512 = 3,           /**< AVX-512 F, DQ, VL and BW */
  QCF_ISA_MAX_ENUM = 0x7fffffff /**< not an instruction set */
} qcf_isa;

/** Size of qcf_context.error. */
#define QCF_ERROR_TEXT_SIZE 512

/** Lives in the caller's memory; make it with qcf_context_init. */
typedef struct qcf_context {
  uint32_t struct_size; /**< sizeof(qcf_context) where the caller was compiled */
  qcf_device device;    /**< where to compute */
  int32_t device_index; /**< CUDA only */
  int32_t threads;      /**< CPU threads, 0 = as many as OpenMP would use */
  qcf_isa isa;          /**< instruction set on the CPU */
  void* stream;         /**< CUDA stream, borrowed; NULL = the default stream. Unused on the CPU */
  void* cublaslt;       /**< cublasLtHandle_t, borrowed or from qcf_cuda_open; needed by QCF_PLAN_CHUNKED */
  qcf_plan plan;        /**< QCF_PLAN_AUTO; CUDA only */
  int32_t tf32;         /**< 1: fp32 products may use TF32 (CUDA). 0, the default: full fp32 */
  char error[QCF_ERROR_TEXT_SIZE]; /**< text of the last error, "" before any */
  /** From qcf_cuda_open: a second stream on which QCF_PLAN_CHUNKED updates the classes of one chunk beside the products of
   * the next. It joins a capture of `stream` and has come back when a call's work ends. NULL: everything runs in line */
  void* side_stream;
} qcf_context;

/** For callers without a C compiler: qcf_context_init for a struct of `size` bytes. */
void qcf_context_init_sized(qcf_context* context, size_t size, qcf_device device);
/** Sets every member: the device, all its threads, the default stream, AUTO choices, no error. */
static inline void qcf_context_init(qcf_context* context, qcf_device device) {
  qcf_context_init_sized(context, sizeof(*context), device);
}

/** Creates the library handles and the second stream of a CUDA context (allocates; once a context). On the CPU it does
 * nothing. Several threads may call it at once, each with a context of its own: the process looks for cuBLASLt once, and the
 * first call's search (QCFACE_LIBRARY_PATH is read then) decides for all later ones. */
QCF_NODISCARD qcf_status qcf_cuda_open(qcf_context* context);
/** Destroys what qcf_cuda_open made. NULL and unopened contexts are allowed. */
void qcf_cuda_close(qcf_context* context);
/** "auto", "chunked", "mma", "wgmma"; NULL for an unknown plan. */
const char* qcf_plan_name(qcf_plan plan);
/** 1 and *plan set if `name` is a plan, else 0. */
int qcf_plan_from_name(const char* name, qcf_plan* plan);
/** "f32", "bf16", "f16"; NULL for an unknown type. */
const char* qcf_type_name(qcf_type type);

/** Whether this build and processor can run `isa`. */
int qcf_isa_available(qcf_isa isa);
/** The instruction set that a context would use, as "baseline", "avx2" or "avx512". Never NULL. */
const char* qcf_isa_name(const qcf_context* context);

/* ---- heads ---- */

/** The heads. Unless another rule is named, T follows qcf_rule with M = cos(theta + m), and the negatives are N = c. */
typedef enum qcf_head_kind {
  QCF_HEAD_QCFACE = 0, /**< "qcface":     angular margin, guidance of lengths */
  /** "qcface-cur": a hard negative (c_ij > M_i) has N = c (t + c); guidance; state t */
  QCF_HEAD_QCFACE_CUR = 1,
  QCF_HEAD_QCFACE_MV = 2, /**< "qcface-mv":  a hard negative has N = a c + a - 1; guidance */
  QCF_HEAD_SOFTMAX = 3,   /**< "softmax":    normalised softmax, T = c */
  QCF_HEAD_COSFACE = 4,   /**< "cosface":    T = c - m */
  QCF_HEAD_ARCFACE = 5,   /**< "arcface":    T by the rule; unit_slope gives InsightFace's gradient */
  /** "magface": margin m(a), a = clamp(z, mag_la, mag_ua), grows from mag_lm to mag_um; L_g = a / mag_ua^2 + 1 / a. Nothing
   * is detached: loss_id pushes lengths too */
  QCF_HEAD_MAGFACE = 6,
  /** "adaface": cosines clamped to +-(1 - 1e-3) with zero gradient outside; T = cos(theta - m g) - (m + m g),
   * g = clip(ada_h (z' - mean) / (std + 1e-3), -1, 1), z' = clip(z, 1e-3, 100) detached; state length_stats */
  QCF_HEAD_ADAFACE = 7,
  QCF_HEAD_CURRICULAR = 8, /**< "curricular": CurricularFace, qcface-cur without guidance; state t */
  QCF_HEAD_MV_ARC = 9,     /**< "mv-arc":     MV-Softmax with an angular margin, qcface-mv without guidance */
  QCF_HEAD_MV_AM = 10, /**< "mv-am":      MV-Softmax with T = c - m if c > m, else c; hard: c_ij > c_iy - m */
  QCF_HEAD_MAX_ENUM = 0x7fffffff /**< not a head */
} qcf_head_kind;

/** Target rule with M = cos(theta + m). Comparisons are strict; the choice carries no gradient. */
typedef enum qcf_rule {
  QCF_RULE_EASY = 0,             /**< T = M if c > 0, else c */
  QCF_RULE_THRESHOLD = 1,        /**< T = M if c > cos(pi - m), else c - m sin(pi - m) */
  QCF_RULE_NONE = 2,             /**< T = M */
  QCF_RULE_MAX_ENUM = 0x7fffffff /**< not a rule */
} qcf_rule;

/** Whether the magnitude loss takes part. */
typedef enum qcf_phase {
  QCF_PHASE_ID = 0,               /**< loss = loss_id; no gradient of L_g */
  QCF_PHASE_NORM = 1,             /**< loss = loss_id + lambda loss_g */
  QCF_PHASE_MAX_ENUM = 0x7fffffff /**< not a phase */
} qcf_phase;

/** Number of heads; kinds are 0 .. count-1. */
int qcf_head_count(void);
/** The names quoted at qcf_head_kind; NULL for an unknown kind. */
const char* qcf_head_name(qcf_head_kind kind);
/** 1 and *kind set if `name` is a head, else 0. */
int qcf_head_from_name(const char* name, qcf_head_kind* kind);
/** "easy", "threshold", "none"; NULL for an unknown rule. */
const char* qcf_rule_name(qcf_rule rule);
/** 1 and *rule set if `name` is a rule, else 0. */
int qcf_rule_from_name(const char* name, qcf_rule* rule);
/** Whether the head keeps the scalar args.t between steps. It starts at 0 and must be saved with the model. */
int qcf_head_has_t(qcf_head_kind kind);
/** Whether the head keeps args.length_stats between steps. They start at 20, 100 and must be saved with the model. */
int qcf_head_has_length_stats(qcf_head_kind kind);
/** Whether L_g of the head is not 0 everywhere: the phase then matters. */
int qcf_head_has_magnitude_loss(qcf_head_kind kind);

/** Settings of a head. Those that a head does not use are checked all the same. */
typedef struct qcf_head_config {
  uint32_t struct_size; /**< sizeof(qcf_head_config) where the caller was compiled */
  qcf_head_kind kind;   /**< which head */
  qcf_rule rule;        /**< easy; threshold for qcface-cur, curricular and arcface */
  qcf_phase phase;      /**< QCF_PHASE_ID; QCF_PHASE_NORM for magface */
  int32_t training;     /**< 1: t and length_stats are updated; 0: they are used as they are */
  int32_t unit_slope;   /**< 0; 1: arcface takes dT/dc = 1, as InsightFace's does (with rule none) */
  double s;             /**< 64 (32 for mv-arc and mv-am), scale; in (0, 1e4] */
  double m; /**< margin, radians or cosine; in [0, pi/2]. 0.5; cosface, mv-arc, mv-am 0.35; adaface 0.4 */
  double lambda;     /**< 1 (20 for magface), weight of the magnitude loss */
  double ua;         /**< 100, upper length of the guidance, > la */
  double la;         /**< 1, lower length of the guidance, > 0 */
  double eps;        /**< 1e-3, guard of the guidance, > 0 */
  double mv_a;       /**< 1.12, weight of hard negatives of the mv heads; in [1, 100] */
  double t_momentum; /**< 0.01: t <- 0.01 mean c_iy + 0.99 t, before use in the same step */
  double s_min;      /**< 1e-4, floor under sin(theta) in the margin's slope; > 0 */
  double mag_la;     /**< 10, MagFace's lower length, > 0 */
  double mag_ua;     /**< 110, MagFace's upper length, > mag_la */
  double mag_lm;     /**< 0.45, MagFace's margin at mag_la; in [0, pi/2] */
  double mag_um;     /**< 0.8, MagFace's margin at mag_ua; in [mag_lm, pi/2] */
  double ada_h;      /**< 0.333, AdaFace's concentration; in (0, 1e3] */
  /** 0.01: length_stats <- 0.01 (mean, deviation of z') + 0.99 length_stats, before use in the same step */
  double ada_momentum;
} qcf_head_config;

/** qcf_head_config_init for a struct of `size` bytes. */
void qcf_head_config_init_sized(qcf_head_config* config, size_t size, qcf_head_kind kind);
/** Published defaults of the head. */
static inline void qcf_head_config_init(qcf_head_config* config, qcf_head_kind kind) {
  qcf_head_config_init_sized(config, sizeof(*config), kind);
}

/** Type of the labels. */
typedef enum qcf_label_type {
  QCF_LABEL_I64 = 0,              /**< int64_t */
  QCF_LABEL_I32 = 1,              /**< int32_t */
  QCF_LABEL_MAX_ENUM = 0x7fffffff /**< not a type of labels */
} qcf_label_type;

/** What a gradient does to its array. */
typedef enum qcf_gradient_mode {
  QCF_GRADIENT_OVERWRITE = 0,        /**< the array may hold anything before */
  QCF_GRADIENT_ACCUMULATE = 1,       /**< the gradient is added to the array */
  QCF_GRADIENT_MAX_ENUM = 0x7fffffff /**< not a mode */
} qcf_gradient_mode;

/** What an optimiser may keep of every weight from step to step, in arrays. */
#define QCF_OPTIMISER_SLOTS 2

/** Optional: the optimiser's step on the class weights inside qcf_head_weights, so that dw never lands. SGD with momentum:
 *   G' = dw + weight_decay w    slot <- momentum slot + G'    w <- w - lr slot     (the slot, slots[0], starts at 0)
 * element by element in fp32, each operation rounded by itself. With `sampled` only the listed rows of w and the slots are
 * read and written. Begin with qcf_optimiser o = {sizeof(o)}. */
typedef struct qcf_optimiser {
  uint32_t struct_size; /**< sizeof(qcf_optimiser) */
  float* w; /**< [K_loc, D] the same array as args.w, now written; the row is read before it is written */
  float* slots[QCF_OPTIMISER_SLOTS]; /**< [K_loc, D] in/out: SGD's velocity; then one it does not read */
  const float* lr; /**< [1] learning rate, read when the stage runs (a captured graph sees later values) */
  const int32_t* skip; /**< [1] or NULL: not 0 = leave w, the slots, dw and unit_w as they are */
  float momentum;      /**< in [0, 1) */
  float weight_decay;  /**< in [0, 1e9] */
} qcf_optimiser;

/** Everything one step reads and writes, in memory of the context's device. Make it with qcf_head_args_init, which sets all pointers NULL and all
 * options to their usual values. */
typedef struct qcf_head_args {
  uint32_t struct_size; /**< sizeof(qcf_head_args) where the caller was compiled */

  /* sizes */
  int64_t n;            /**< rows; 0 is allowed: losses 0, dw 0, state unchanged */
  int64_t d;            /**< embedding width, >= 1 */
  int64_t k_loc;        /**< class rows in w, >= 1 */
  int64_t k_total;      /**< all classes, >= 2; 0 = k_loc */
  int64_t class_offset; /**< w's first row is this class; 0 in an unsharded run */
  /** B of every mean and gradient; 0 = n. Differs when other ranks hold the rest of the batch: the losses of the ranks then
   * add up to the mean */
  int64_t batch_total;

  /* inputs and state */
  const void* x;   /**< [N, D] raw embeddings, of x_type */
  qcf_type x_type; /**< QCF_TYPE_F32; 16-bit rows are widened exactly into the workspace first */
  const float* w;  /**< [K_loc, D] raw class weights */
  /** [N] classes in [0, k_total), of label_type. One outside this rank's rows of w belongs to another rank, and so does -1
   * (staged calls with k_loc < k_total only) */
  const void* labels;
  qcf_label_type label_type; /**< QCF_LABEL_I64 */
  float* t;                  /**< [1] in/out, heads with t only; else may be NULL */
  /** NULL: t uses the mean of this call's N target cosines; else this [1] value */
  const double* target_mean;
  /** [2] in/out, mean and deviation of lengths, heads with length_stats only; else may be NULL */
  float* length_stats;
  /** NULL: length_stats use the mean and unbiased deviation of this call's N lengths clip(z, 1e-3, 100) (one row: they stay
   * as they are); else these [2] values */
  const double* length_moments;
  /** NULL, or [S] rows of w that take part (negative sampling as in PartialFC), strictly ascending, among them the class of
   * every label held here. The step is then that of a head with these classes only; k_loc, k_total and labels keep their
   * meaning. The fused plans cannot: QCF_PLAN_AUTO takes the chunked one */
  const int64_t* sampled;
  int64_t sampled_count; /**< S, 1 .. k_loc; 0 without `sampled` */
  qcf_type operand_type; /**< QCF_TYPE_F32; the CPU has no other */
  /** NULL, or [K_loc, D] of operand_type: w's unit rows, as qcf_unit_rows makes them, which the passes then read instead of
   * w; the optimiser refreshes them. CUDA only. D % 8 == 0 and 16-byte alignment; QCF_PLAN_MMA and QCF_PLAN_WGMMA need it */
  void* unit_w;

  double* losses; /**< [3] or NULL: loss, loss_id, loss_g (0 in phase id) */

  /* row values, [N] each, each may be NULL */
  float* row_z;           /**< length of x_i */
  float* row_c;           /**< target cosine, as the head sees it (adaface clamps it) */
  float* row_t;           /**< target logit T */
  float* row_nll;         /**< identity loss */
  float* row_one_minus_q; /**< 1 - (margin softmax's probability of the label), accurate near 0 */
  float* row_p;           /**< plain softmax's probability of the label (no margin) */
  float* row_zstar;       /**< preferred length z*(p); 0 for heads without guidance */
  float* row_lg;          /**< magnitude loss of the row; also in phase id. f(z) - f(z*), magface's, or 0 */
  /** dL/dz, the radial gradient: (lambda / B) dL_g/dz (0 in phase id) and, for magface, the part of loss_id; 0 for a zero
   * row */
  float* row_dz;
  float* row_tangent; /**< length of the direction part of dL/dx_i; needs k_loc == k_total */
  int32_t* row_rank;  /**< number of classes j with c_ij > c_iy: 0 = top-1 correct, < 5 = top-5 correct */
  int32_t* row_hard;  /**< number of negatives that the cur / mv rule rewrote; 0 for qcface */

  /* gradients, each may be NULL; NULL ones cost nothing */
  float* dx; /**< [N, D] direction + magnitude; of classes in shards this rank's share (staged calls) */
  float* dx_direction;       /**< [N, D] orthogonal to x_i */
  float* dx_magnitude;       /**< [N, D] parallel to x_i */
  qcf_gradient_mode dx_mode; /**< of the three: overwrite, or add to what they hold */
  float* dw; /**< [K_loc, D], or [S, D] with `sampled`: row i is then the gradient of class row sampled[i] */
  qcf_gradient_mode dw_mode;      /**< overwrite, or add to what dw holds */
  const qcf_optimiser* optimiser; /**< NULL: none. With it dw may be NULL; if dw is given it is overwritten */

  /** At least qcf_head_workspace_bytes, 64-byte aligned. Holds the state between staged calls */
  void* workspace;
  size_t workspace_bytes; /**< bytes of workspace */
} qcf_head_args;

/** qcf_head_args_init for a struct of `size` bytes. */
void qcf_head_args_init_sized(qcf_head_args* args, size_t size);
/** All pointers NULL, all sizes 0, types fp32 and int64, gradients overwritten. */
static inline void qcf_head_args_init(qcf_head_args* args) { qcf_head_args_init_sized(args, sizeof(*args)); }

/** Bytes of workspace for these sizes and requests and for every smaller n, so that a workspace made for the largest
 * batch serves a smaller last one (CUDA: host work grows with n, ask once). Pointers are only looked at for NULL or not;
 * x, w and labels may be missing. The context's threads count. Bounded, with N' and D' = N and D rounded up to the vector
 * panel (16 or 32), P = min(32, tiles of 96 classes) partial sums and T <= min(threads, tiles) workers, by
 *   4 (P + 2) N' D' + 4 T (96 (N' + D') + 6 N' + 384) + (32 P + 128) N' bytes + 2 KiB, and K adds nothing beyond P.
 * A 16-bit x adds 4 N D, `sampled` 4 T 96 D. N = 64, D = 512, T = 2, any K: 4.8 MiB. CUDA: at most
 * 64 MiB + 32 N D bytes. */
QCF_NODISCARD qcf_status qcf_head_workspace_bytes(qcf_context* context, const qcf_head_config* config,
                                                  const qcf_head_args* args, size_t* bytes);

/** The whole step: losses, row values, gradients and t. Needs every class here (k_loc == k_total).
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
 *   qcf_head_prepare -> reduce `target`;  qcf_head_sums -> reduce `log_sums`, `counts`;  qcf_head_finish;
 *   qcf_head_weights
 *
 * dx_direction holds this rank's classes' share: the ranks' shares add up; dx_magnitude is the same on every
 * rank. dx is this rank's share of both: direction, and on the rank with class_offset 0 magnitude, so that these shares add
 * up to the gradient too. */

/** What the ranks of a class-sharded run reduce between the stages; places in the workspace. */
typedef struct qcf_head_exchange {
  /** [2, N] c_iy, then |wh_y - c xh_i|; 0 where the class lives elsewhere. Sum over the ranks, which does not round: one
   * rank's value and zeros. */
  double* target;
  /** [2, N] log sum_{j != y} exp(s N_ij), then of exp(s c_ij), over this rank's classes (-1e300 for none). Combine by
   * log-sum-exp: qcf_log_sum_exp. */
  double* log_sums;
  double* counts; /**< [2, N] rank and hard counts, whole numbers. Sum over the ranks */
} qcf_head_exchange;

/** Where the exchange arrays of these arguments lie. Any time after the workspace is given. */
QCF_NODISCARD qcf_status qcf_head_exchange_view(qcf_context* context, const qcf_head_config* config,
                                                const qcf_head_args* args, qcf_head_exchange* exchange);
/** First stage: checks; lengths, unit rows; target cosines of the labels held here. Then reduce `target`. */
QCF_NODISCARD qcf_status qcf_head_prepare(qcf_context* context, const qcf_head_config* config,
                                          const qcf_head_args* args);
/** Second stage: state of this step and one pass over w. Then reduce `log_sums` and `counts`. */
QCF_NODISCARD qcf_status qcf_head_sums(qcf_context* context, const qcf_head_config* config,
                                       const qcf_head_args* args);
/** Third stage: state written back; losses, row values, dx. */
QCF_NODISCARD qcf_status qcf_head_finish(qcf_context* context, const qcf_head_config* config,
                                         const qcf_head_args* args);
/** Last stage: dw and the optimiser, in a second pass over w. Without either it does nothing. */
QCF_NODISCARD qcf_status qcf_head_weights(qcf_context* context, const qcf_head_config* config,
                                          const qcf_head_args* args);
/** Errors that the stages found in the data, and errors of the device: on CUDA waits for the stream and reads the record
 * in the workspace; on the CPU returns QCF_OK, because the stages have reported already. */
QCF_NODISCARD qcf_status qcf_head_check(qcf_context* context, const qcf_head_config* config,
                                        const qcf_head_args* args);
/** The plan that these arguments would run with, never QCF_PLAN_AUTO (on the CPU: QCF_PLAN_CHUNKED). */
QCF_NODISCARD qcf_status qcf_head_plan(qcf_context* context, const qcf_head_config* config,
                                       const qcf_head_args* args, qcf_plan* plan);
/** unit [rows, D] of `type` = rows divided by max(length, 1e-12). CUDA: device pointers. */
QCF_NODISCARD qcf_status qcf_unit_rows(qcf_context* context, int64_t rows, int64_t d, const float* matrix,
                                       qcf_type type, void* unit);
/** out[i] = log sum_r exp(parts[r * count + i]); out may be parts itself; -1e300 stands for the logarithm of 0. Host memory
 * whatever the context's device is: who reduces the exchange's log_sums on a GPU takes the maximum over the ranks, then
 * maximum + log(sum of exp(log_sums - maximum)) in double, and keeps -1e300 where that is the maximum. */
void qcf_log_sum_exp(const double* parts, int64_t ranks, int64_t count, double* out);

/** Bytes of workspace of qcf_cosines. */
QCF_NODISCARD qcf_status qcf_cosines_workspace_bytes(qcf_context* context, int64_t n, int64_t d, int64_t k,
                                                     size_t* bytes);
/** Plain cosines: out [N, K] = scale * clamp(xh . wh^T, -1, 1), all fp32. Touches no state. workspace: 64-byte aligned,
 * at least qcf_cosines_workspace_bytes. */
QCF_NODISCARD qcf_status qcf_cosines(qcf_context* context, int64_t n, int64_t d, int64_t k, const float* x,
                                     const float* w, double scale, float* out, void* workspace,
                                     size_t workspace_bytes);

/** The magnitude loss by itself, for analysis: f(z, p) - f(z*(p), p), its slope in z and z*(p); any out may be
 * NULL. */
void qcf_magnitude_loss(const qcf_head_config* config, double z, double p, double* excess, double* slope,
                        double* zstar);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* QCFACE_KERNELS_H_ */
