#include "kernels/check.h"

#include <cinttypes>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "kernels/backend.h"
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

namespace {

constexpr const char* kTooLarge =
    "%s.struct_size = %u, but this library knows %zu bytes: it is older than the header that the program was "
    "compiled with";

/// Copies a struct of the caller, who may have been compiled when it was shorter: then the rest of `to` stays. least: bytes
/// without which nothing can be said about it.
template <class T>
qcf_status read_struct(qcf_context* context, const char* name, const T* from, std::size_t least, T* to) {
  if (from == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "%s is NULL", name);
  const std::uint32_t size = from->struct_size;
  if (size < least) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "%s.struct_size = %u, expected %zu: initialise the struct first", name, size, sizeof(T));
  }
  if (size > sizeof(T)) return fail(context, QCF_INVALID_ARGUMENT, kTooLarge, name, size, sizeof(T));
  std::memcpy(static_cast<void*>(to), from, size);
  to->struct_size = sizeof(T);
  return QCF_OK;
}

}  // namespace

qcf_status check_context(qcf_context* context) {
  if (context == nullptr) return QCF_INVALID_ARGUMENT;
  // An older program may lack what follows the text, and no less: elsewhere its error text is not where it looks for it.
  if (context->struct_size < offsetof(qcf_context, side_stream)) return QCF_INVALID_ARGUMENT;
  if (context->struct_size > sizeof(qcf_context)) {
    return fail(context, QCF_INVALID_ARGUMENT, kTooLarge, "context", context->struct_size,
                sizeof(qcf_context));
  }
  const HeadBackend* const backend = head_backend(context->device);
  if (backend != nullptr) return backend->check_context(context);
  if (context->device == QCF_DEVICE_CUDA)
    return fail(context, QCF_UNSUPPORTED, "context.device = cuda: this build has the CPU only");
  return fail(context, QCF_UNSUPPORTED, "context.device = %d, expected cpu or cuda", context->device);
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

qcf_status check_optimiser(HeadCall* call) {
  qcf_context* const context = call->context;
  if (call->args.optimiser == nullptr) return QCF_OK;
  call->optimiser = {};
  const qcf_status status = read_struct(context, "optimiser", call->args.optimiser,
                                        offsetof(qcf_optimiser, weight_decay), &call->optimiser);
  if (status != QCF_OK) return status;
  const qcf_optimiser& optimiser = call->optimiser;
  call->args.optimiser = &optimiser;
  if (call->args.dw_mode == QCF_GRADIENT_ACCUMULATE) {
    return fail(
        context, QCF_INVALID_ARGUMENT,
        "optimiser with dw_mode accumulate: the fused update needs the whole gradient; use overwrite");
  }
  if (!(optimiser.momentum >= 0 && optimiser.momentum < 1)) {
    return fail(context, QCF_INVALID_ARGUMENT, "optimiser.momentum = %g, expected a value in [0, 1)",
                static_cast<double>(optimiser.momentum));
  }
  if (!(optimiser.weight_decay >= 0 && optimiser.weight_decay <= 1e9f)) {
    return fail(context, QCF_INVALID_ARGUMENT, "optimiser.weight_decay = %g, expected a value in [0, 1e9]",
                static_cast<double>(optimiser.weight_decay));
  }
  return QCF_OK;
}

}  // namespace

qcf_status read_call(qcf_context* context, const qcf_head_config* given_config,
                     const qcf_head_args* given_args, HeadCall* call) {
  qcf_status status = check_context(context);
  if (status != QCF_OK) return status;
  call->context = context;
  const auto kind_end = offsetof(qcf_head_config, kind) + sizeof(qcf_head_kind);
  status = read_struct(context, "config", given_config, kind_end, &call->config);
  if (status != QCF_OK) return status;
  if (given_config->struct_size < sizeof(qcf_head_config)) {
    qcf_head_config_init(&call->config, given_config->kind);
    (void)read_struct(context, "config", given_config, kind_end, &call->config);
  }
  qcf_head_args_init(&call->args);
  status = check_config(context, &call->config);
  if (status == QCF_OK) status = read_struct(context, "args", given_args, sizeof(std::uint32_t), &call->args);
  if (status != QCF_OK) return status;
  const qcf_head_args* const args = &call->args;
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
  if (status == QCF_OK) status = check_optimiser(call);
  if (status != QCF_OK) return status;
  if (args->k_loc != total && args->row_tangent != nullptr) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "row_tangent needs every class here, but w holds %" PRId64 " of %" PRId64
                " classes: take the length of the sum of the ranks' dx_direction",
                args->k_loc, total);
  }
  return QCF_OK;
}

qcf_status check_pointers(const HeadCall& call, std::size_t workspace_bytes) {
  qcf_context* const context = call.context;
  const qcf_head_args* const args = &call.args;
  const HeadRow& head = *head_row(call.config.kind);
  const bool updates = args->optimiser != nullptr;
  const qcf_optimiser optimiser = updates ? call.optimiser : qcf_optimiser{};
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
      {"t", args->t, sizeof(float), head.has_t},
      {"length_stats", args->length_stats, sizeof(float), head.has_length_stats},
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
      {"optimiser.w", optimiser.w, sizeof(float), updates},
      {"optimiser.slots[0]", optimiser.slots[0], sizeof(float), updates},
      {"optimiser.lr", optimiser.lr, sizeof(float), updates},
      {"optimiser.skip", optimiser.skip, sizeof(std::int32_t), false},
      {"workspace", args->workspace, 64, true},
  };
  for (const auto& p : pointers) {
    if (p.pointer == nullptr && !p.needed) continue;
    const qcf_status status = check_pointer(context, p.pointer, p.name, p.alignment);
    if (status != QCF_OK) return status;
  }
  if (updates && optimiser.w != args->w) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "optimiser.w is another array than w: the update reads and writes one");
  }
  if (args->workspace_bytes < workspace_bytes) {
    return fail(context, QCF_WORKSPACE_TOO_SMALL,
                "workspace_bytes = %zu, expected at least %zu (qcf_head_workspace_bytes)",
                args->workspace_bytes, workspace_bytes);
  }
  return QCF_OK;
}

}  // namespace qcface::kernels
