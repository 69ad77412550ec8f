#include "kernels/check.h"

#include <cinttypes>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <initializer_list>

#include "kernels/cpu/tile.h"
#include "kernels/cuda/head.h"
#include "kernels/heads/table.h"

namespace qcface::kernels {

qcf_status fail(qcf_context* context, qcf_status status, const char* format, ...) {
  if (context != nullptr) {
    std::va_list list;
    va_start(list, format);
    std::vsnprintf(context->error, sizeof(context->error), format, list);
    va_end(list);
  }
  return status;
}

qcf_status check_context(qcf_context* context) {
  if (context == nullptr) return QCF_INVALID_ARGUMENT;
  if (context->struct_size != sizeof(qcf_context)) {
    // Its error text may not be where this build believes it is.
    return QCF_INVALID_ARGUMENT;
  }
  if (context->device == QCF_DEVICE_CUDA) {
#if QCF_HAVE_CUDA
    if (context->plan < QCF_PLAN_AUTO || context->plan > QCF_PLAN_WGMMA) {
      return fail(context, QCF_INVALID_ARGUMENT, "context.plan = %d, expected auto, chunked, mma or wgmma",
                  context->plan);
    }
    return cuda::check_device(context);
#else
    return fail(context, QCF_UNSUPPORTED, "context.device = cuda: this build has the CPU only");
#endif
  }
  if (context->device != QCF_DEVICE_CPU) {
    return fail(context, QCF_UNSUPPORTED, "context.device = %d, expected cpu or cuda", context->device);
  }
  if (context->threads < 0) {
    return fail(context, QCF_INVALID_ARGUMENT, "context.threads = %d, expected 0 (all) or more",
                context->threads);
  }
  if (tile_ops(context->isa) == nullptr) {
    return fail(context, QCF_UNSUPPORTED,
                "context.isa = %d: this processor or build lacks it; use QCF_ISA_AUTO", context->isa);
  }
  return QCF_OK;
}

qcf_status check_sizes(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k) {
  if (n < 0) return fail(context, QCF_INVALID_ARGUMENT, "n = %" PRId64 ", expected 0 or more rows", n);
  if (d < 1)
    return fail(context, QCF_INVALID_ARGUMENT, "d = %" PRId64 ", expected an embedding width of 1 or more",
                d);
  if (k < 1)
    return fail(context, QCF_INVALID_ARGUMENT, "k_loc = %" PRId64 ", expected 1 or more class rows in w", k);
  const std::int64_t limit = (std::int64_t{1} << 58) / d;
  if (n > limit || k > limit || n > INT32_MAX) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "n = %" PRId64 ", d = %" PRId64 ", k_loc = %" PRId64
                ": too large, expected n * d and k_loc * d below 2^58 "
                "and n below 2^31",
                n, d, k);
  }
  return QCF_OK;
}

qcf_status check_pointer(qcf_context* context, const void* pointer, const char* name, std::size_t alignment) {
  if (pointer == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "%s is NULL", name);
  if (reinterpret_cast<std::uintptr_t>(pointer) % alignment != 0) {
    return fail(context, QCF_INVALID_ARGUMENT, "%s is not aligned to %zu bytes", name, alignment);
  }
  return QCF_OK;
}

namespace {

// The comparisons are written so that NaN fails them.
qcf_status check_config(qcf_context* context, const qcf_head_config* config) {
  if (config == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "config is NULL");
  if (config->struct_size != sizeof(qcf_head_config)) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "config.struct_size = %u, expected %zu: call qcf_head_config_init first", config->struct_size,
                sizeof(qcf_head_config));
  }
  if (head_row(config->kind) == nullptr) {
    return fail(context, QCF_UNSUPPORTED, "config.kind = %d: this build has heads 0 to %d", config->kind,
                HeadList::kCount - 1);
  }
  if (config->rule < QCF_RULE_EASY || config->rule > QCF_RULE_NONE) {
    return fail(context, QCF_INVALID_ARGUMENT, "config.rule = %d, expected easy, threshold or none",
                config->rule);
  }
  if (config->phase != QCF_PHASE_ID && config->phase != QCF_PHASE_NORM) {
    return fail(context, QCF_INVALID_ARGUMENT, "config.phase = %d, expected id or norm", config->phase);
  }
  constexpr double kHalfPi = 1.5707963267948967;
  const struct {
    const char* name;
    double value, low, high;
    bool low_included;
  } ranges[] = {{"s", config->s, 0, 1e4, false},
                {"m", config->m, 0, kHalfPi, true},
                {"lambda", config->lambda, 0, 1e30, true},
                {"la", config->la, 0, 1e9, false},
                {"ua", config->ua, config->la, 1e9, false},
                {"eps", config->eps, 0, 1e9, false},
                {"mv_a", config->mv_a, 1, 100, true},
                {"t_momentum", config->t_momentum, 0, 1, true},
                {"s_min", config->s_min, 0, 1, false},
                {"mag_la", config->mag_la, 0, 1e9, false},
                {"mag_ua", config->mag_ua, config->mag_la, 1e9, false},
                {"mag_lm", config->mag_lm, 0, kHalfPi, true},
                {"mag_um", config->mag_um, config->mag_lm, kHalfPi, true},
                {"ada_h", config->ada_h, 0, 1e3, false},
                {"ada_momentum", config->ada_momentum, 0, 1, true}};
  for (const auto& r : ranges) {
    if (!((r.low_included ? r.value >= r.low : r.value > r.low) && r.value <= r.high)) {
      return fail(context, QCF_INVALID_ARGUMENT, "config.%s = %g, expected a value in %c%g, %g]", r.name,
                  r.value, r.low_included ? '[' : '(', r.low, r.high);
    }
  }
  return QCF_OK;
}

}  // namespace

namespace {

qcf_status check_operands(qcf_context* context, const qcf_head_args* args) {
  if (args->x_type < QCF_TYPE_F32 || args->x_type > QCF_TYPE_F16) {
    return fail(context, QCF_INVALID_ARGUMENT, "x_type = %d, expected f32, bf16 or f16", args->x_type);
  }
  if (args->sampled == nullptr ? args->sampled_count != 0
                               : args->sampled_count < 1 || args->sampled_count > args->k_loc) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "sampled_count = %" PRId64 ", expected 0 without `sampled`, else 1 to k_loc = %" PRId64,
                args->sampled_count, args->k_loc);
  }
  if (args->operand_type < QCF_TYPE_F32 || args->operand_type > QCF_TYPE_F16) {
    return fail(context, QCF_INVALID_ARGUMENT, "operand_type = %d, expected f32, bf16 or f16",
                args->operand_type);
  }
  if (context->device == QCF_DEVICE_CPU && (args->operand_type != QCF_TYPE_F32 || args->unit_w != nullptr)) {
    return fail(context, QCF_UNSUPPORTED, "%s: the CPU has fp32 operands made from w only",
                args->unit_w != nullptr ? "unit_w is given" : "operand_type is a 16-bit type");
  }
  if (args->unit_w != nullptr && args->d % 8 != 0) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "d = %" PRId64 " with unit_w, expected a multiple of 8 (rows of whole 16-byte vectors)",
                args->d);
  }
  return QCF_OK;
}

qcf_status check_sgd(qcf_context* context, const qcf_head_args* args) {
  const qcf_sgd* sgd = args->sgd;
  if (sgd == nullptr) return QCF_OK;
  if (args->dw_mode == QCF_GRADIENT_ACCUMULATE) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "sgd with dw_mode accumulate: the fused update needs the whole gradient; use overwrite");
  }
  if (!(sgd->momentum >= 0 && sgd->momentum < 1)) {
    return fail(context, QCF_INVALID_ARGUMENT, "sgd.momentum = %g, expected a value in [0, 1)",
                static_cast<double>(sgd->momentum));
  }
  if (!(sgd->weight_decay >= 0 && sgd->weight_decay <= 1e9f)) {
    return fail(context, QCF_INVALID_ARGUMENT, "sgd.weight_decay = %g, expected a value in [0, 1e9]",
                static_cast<double>(sgd->weight_decay));
  }
  return QCF_OK;
}

}  // namespace

qcf_status check_common(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  qcf_status status = check_context(context);
  if (status == QCF_OK) status = check_config(context, config);
  if (status != QCF_OK) return status;
  if (args == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "args is NULL");
  if (args->struct_size != sizeof(qcf_head_args)) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "args.struct_size = %u, expected %zu: call qcf_head_args_init first", args->struct_size,
                sizeof(qcf_head_args));
  }
  status = check_sizes(context, args->n, args->d, args->k_loc);
  if (status != QCF_OK) return status;
  const std::int64_t total = args->k_total != 0 ? args->k_total : args->k_loc;
  if (total < 2) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "K = %" PRId64 " classes (k_total, or w's k_loc rows): a softmax head needs at least 2",
                total);
  }
  if (args->class_offset < 0 || args->k_loc > total || args->class_offset > total - args->k_loc) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "class_offset = %" PRId64 " and k_loc = %" PRId64 " do not fit in k_total = %" PRId64
                " classes",
                args->class_offset, args->k_loc, total);
  }
  if (args->batch_total < 0 || (args->batch_total != 0 && args->batch_total < args->n)) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "batch_total = %" PRId64 ", expected 0 or at least n = %" PRId64, args->batch_total, args->n);
  }
  if (args->label_type != QCF_LABEL_I64 && args->label_type != QCF_LABEL_I32) {
    return fail(context, QCF_INVALID_ARGUMENT, "label_type = %d, expected i64 or i32", args->label_type);
  }
  for (const qcf_gradient_mode mode : {args->dx_mode, args->dw_mode}) {
    if (mode != QCF_GRADIENT_OVERWRITE && mode != QCF_GRADIENT_ACCUMULATE) {
      return fail(context, QCF_INVALID_ARGUMENT,
                  "dx_mode = %d, dw_mode = %d, expected overwrite or accumulate", args->dx_mode,
                  args->dw_mode);
    }
  }
  status = check_operands(context, args);
  if (status == QCF_OK) status = check_sgd(context, args);
  if (status != QCF_OK) return status;
  if (args->k_loc != total && (args->dx != nullptr || args->row_tangent != nullptr)) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "%s needs every class here, but w holds %" PRId64 " of %" PRId64
                " classes; ask for dx_direction and dx_magnitude and add up the first over the ranks",
                args->dx != nullptr ? "dx" : "row_tangent", args->k_loc, total);
  }
  return QCF_OK;
}

qcf_status check_pointers(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args,
                          std::size_t workspace_bytes) {
  const struct {
    const char* name;
    const void* pointer;
    std::size_t alignment;
    bool needed;
  } pointers[] = {
      {"x", args->x, args->x_type == QCF_TYPE_F32 ? sizeof(float) : sizeof(std::uint16_t), args->n > 0},
      {"w", args->w, sizeof(float), true},
      {"labels", args->labels,
       args->label_type == QCF_LABEL_I64 ? sizeof(std::int64_t) : sizeof(std::int32_t), args->n > 0},
      {"t", args->t, sizeof(float), head_row(config->kind)->has_t},
      {"length_stats", args->length_stats, sizeof(float), head_row(config->kind)->has_length_stats},
      {"length_moments", args->length_moments, sizeof(double), false},
      {"sampled", args->sampled, sizeof(std::int64_t), false},
      {"target_mean", args->target_mean, sizeof(double), false},
      {"losses", args->losses, sizeof(double), false},
      {"row_z", args->row_z, sizeof(float), false},
      {"row_c", args->row_c, sizeof(float), false},
      {"row_t", args->row_t, sizeof(float), false},
      {"row_nll", args->row_nll, sizeof(float), false},
      {"row_one_minus_q", args->row_one_minus_q, sizeof(float), false},
      {"row_p", args->row_p, sizeof(float), false},
      {"row_zstar", args->row_zstar, sizeof(float), false},
      {"row_lg", args->row_lg, sizeof(float), false},
      {"row_dz", args->row_dz, sizeof(float), false},
      {"row_tangent", args->row_tangent, sizeof(float), false},
      {"row_rank", args->row_rank, sizeof(std::int32_t), false},
      {"row_hard", args->row_hard, sizeof(std::int32_t), false},
      {"dx", args->dx, sizeof(float), false},
      {"dx_direction", args->dx_direction, sizeof(float), false},
      {"dx_magnitude", args->dx_magnitude, sizeof(float), false},
      {"dw", args->dw, sizeof(float), false},
      {"unit_w", args->unit_w, 16, false},
      {"sgd.w", args->sgd != nullptr ? args->sgd->w : nullptr, sizeof(float), args->sgd != nullptr},
      {"sgd.velocity", args->sgd != nullptr ? args->sgd->velocity : nullptr, sizeof(float),
       args->sgd != nullptr},
      {"sgd.lr", args->sgd != nullptr ? args->sgd->lr : nullptr, sizeof(float), args->sgd != nullptr},
      {"sgd.skip", args->sgd != nullptr ? args->sgd->skip : nullptr, sizeof(std::int32_t), false},
      {"workspace", args->workspace, 64, true},
  };
  for (const auto& p : pointers) {
    if (p.pointer == nullptr && !p.needed) continue;
    const qcf_status status = check_pointer(context, p.pointer, p.name, p.alignment);
    if (status != QCF_OK) return status;
  }
  if (args->sgd != nullptr && args->sgd->w != args->w) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "sgd.w is another array than w: the update reads and writes one");
  }
  if (args->workspace_bytes < workspace_bytes) {
    return fail(context, QCF_WORKSPACE_TOO_SMALL,
                "workspace_bytes = %zu, expected at least %zu (qcf_head_workspace_bytes)",
                args->workspace_bytes, workspace_bytes);
  }
  if (context->device == QCF_DEVICE_CUDA) return QCF_OK;  // the rest would read device memory
  if (head_row(config->kind)->has_t && !std::isfinite(*args->t)) {
    return fail(context, QCF_NOT_FINITE, "t[0] = %g, expected a finite value", static_cast<double>(*args->t));
  }
  for (int i = 0; i < 2; ++i) {
    if (head_row(config->kind)->has_length_stats && !std::isfinite(args->length_stats[i])) {
      return fail(context, QCF_NOT_FINITE, "length_stats[%d] = %g, expected a finite value", i,
                  static_cast<double>(args->length_stats[i]));
    }
    if (args->length_moments != nullptr && !std::isfinite(args->length_moments[i])) {
      return fail(context, QCF_NOT_FINITE, "length_moments[%d] = %g, expected a finite value", i,
                  args->length_moments[i]);
    }
  }
  if (args->target_mean != nullptr && !std::isfinite(*args->target_mean)) {
    return fail(context, QCF_NOT_FINITE, "target_mean[0] = %g, expected a finite value", *args->target_mean);
  }
  if (args->sgd != nullptr && !std::isfinite(*args->sgd->lr)) {
    return fail(context, QCF_NOT_FINITE, "sgd.lr[0] = %g, expected a finite value",
                static_cast<double>(*args->sgd->lr));
  }
  return QCF_OK;
}

}  // namespace qcface::kernels
