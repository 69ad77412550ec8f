"""Any head of libqcface_kernels as a PyTorch module, over the C header by ctypes. Needs PyTorch 1.13 or later.

    from qcface_torch import MarginHead
    head = MarginHead(512, classes, head="qcface", phase="norm")
    optimizer = torch.optim.SGD([*backbone.parameters(), *head.parameters()], lr=0.1, momentum=0.9)
    for pictures, labels in loader:
        loss = head(backbone(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

The library is looked for in QCFACE_KERNELS_LIBRARY, then where the linker looks. Loss and gradients are made in one call in
forward; backward only multiplies. The row values of this thread's last step are in head.rows (z, p, nll; no gradient).

A head can be deep-copied, pickled and saved whole. Several threads may use one: each has its own context and workspace, and
steps that change a head's state (t, length_stats) wait for each other.
"""
import contextlib
import ctypes
import ctypes.util
import math
import os
import threading

import torch

_i32, _i64, _u32, _f64, _ptr = (ctypes.c_int32, ctypes.c_int64, ctypes.c_uint32, ctypes.c_double, ctypes.c_void_p)
_enum, _size = ctypes.c_int, ctypes.c_size_t


# The structs of kernels.h, member by member. They grow at their end only: a newer library takes them as they are here.
class _Context(ctypes.Structure):
    _fields_ = [("struct_size", _u32), ("device", _enum), ("device_index", _i32), ("threads", _i32), ("isa", _enum),
                ("stream", _ptr), ("cublaslt", _ptr), ("plan", _enum), ("tf32", _i32), ("error", ctypes.c_char * 512),
                ("side_stream", _ptr)]


class _Config(ctypes.Structure):
    _fields_ = [("struct_size", _u32), ("kind", _enum), ("rule", _enum), ("phase", _enum), ("training", _i32),
                ("unit_slope", _i32)] + [(name, _f64) for name in (
                    "s", "m", "lambda_", "ua", "la", "eps", "mv_a", "t_momentum", "s_min", "mag_la", "mag_ua",
                    "mag_lm", "mag_um", "ada_h", "ada_momentum")]


class _Args(ctypes.Structure):
    _fields_ = ([("struct_size", _u32)]
                + [(name, _i64) for name in ("n", "d", "k_loc", "k_total", "class_offset", "batch_total")]
                + [("x", _ptr), ("x_type", _enum), ("w", _ptr), ("labels", _ptr), ("label_type", _enum), ("t", _ptr),
                   ("target_mean", _ptr), ("length_stats", _ptr), ("length_moments", _ptr), ("sampled", _ptr),
                   ("sampled_count", _i64), ("operand_type", _enum), ("unit_w", _ptr), ("losses", _ptr)]
                + [(name, _ptr) for name in (
                    "row_z", "row_c", "row_t", "row_nll", "row_one_minus_q", "row_p", "row_zstar", "row_lg", "row_dz",
                    "row_tangent", "row_rank", "row_hard", "dx", "dx_direction", "dx_magnitude")]
                + [("dx_mode", _enum), ("dw", _ptr), ("dw_mode", _enum), ("optimiser", _ptr), ("workspace", _ptr),
                   ("workspace_bytes", _size)])


_CPU, _CUDA = 0, 1
_TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
_LABELS = {torch.int64: 0, torch.int32: 1}
_PHASES = {"id": 0, "norm": 1}


def _load():
    name = os.environ.get("QCFACE_KERNELS_LIBRARY") or ctypes.util.find_library("qcface_kernels")
    if not name:
        raise ImportError("libqcface_kernels was not found: install it, or name the file in QCFACE_KERNELS_LIBRARY")
    library = ctypes.CDLL(name)
    library.qcf_head_name.restype = ctypes.c_char_p
    library.qcf_rule_name.restype = ctypes.c_char_p
    library.qcf_context_init_sized.argtypes = [_ptr, _size, _enum]
    library.qcf_head_config_init_sized.argtypes = [_ptr, _size, _enum]
    library.qcf_head_args_init_sized.argtypes = [_ptr, _size]
    library.qcf_head_workspace_bytes.argtypes = [_ptr] * 4
    for call in ("qcf_head_step", "qcf_head_check"):
        getattr(library, call).argtypes = [_ptr] * 3
    return library


_library = _load()
HEADS = [_library.qcf_head_name(kind).decode() for kind in range(_library.qcf_head_count())]
RULES = [_library.qcf_rule_name(rule).decode() for rule in range(3)]


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, labels, head):
        loss, dx, dw = head._step(x.detach().contiguous(), weight.detach(), labels)
        ctx.save_for_backward(dx, dw)
        ctx.type = x.dtype
        return loss

    @staticmethod
    def backward(ctx, grad):
        dx, dw = ctx.saved_tensors
        return ((dx * grad).to(ctx.type) if ctx.needs_input_grad[0] else None,
                dw * grad if ctx.needs_input_grad[1] else None, None, None)


class _Scratch(threading.local):
    """What a thread keeps between steps and no copy of a head needs."""

    def __init__(self):
        self.contexts, self.workspaces, self.rows = {}, {}, {}


class MarginHead(torch.nn.Module):
    """Class weights [K, D] and the state of one head; forward(x [N, D], labels [N]) returns the loss.

    head: a name of HEADS. settings: members of qcf_head_config by name (s, m, rule="easy", phase="norm", lambda_,
    unit_slope, mag_la, ...); what is not given has its published value. In eval mode the state is left alone.
    """

    def __init__(self, embedding_dim, classes, head="qcface", **settings):
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"unknown head {head!r}: expected one of {', '.join(HEADS)}")
        kind = HEADS.index(head)
        self._config = _Config()
        _library.qcf_head_config_init_sized(ctypes.byref(self._config), ctypes.sizeof(_Config), kind)
        for name, value in settings.items():
            if name not in (field[0] for field in _Config._fields_[2:]):
                raise ValueError(f"unknown setting {name!r} of a head")
            if name == "rule":
                value = RULES.index(value)
            if name == "phase":
                value = _PHASES[value]
            setattr(self._config, name, value)
        weight = torch.rand(classes, embedding_dim) * 2 - 1
        self.weight = torch.nn.Parameter(weight / weight.norm(dim=1, keepdim=True))
        self.register_buffer("t", torch.zeros(1) if _library.qcf_head_has_t(kind) else None)
        self.register_buffer("length_stats",
                             torch.tensor([20.0, 100.0]) if _library.qcf_head_has_length_stats(kind) else None)
        self._begin()

    def _begin(self):
        self._scratch, self._state_lock = _Scratch(), threading.Lock()

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name not in ("_scratch", "_state_lock")}

    def __setstate__(self, state):
        super().__setstate__(state)
        self._begin()

    @property
    def rows(self):
        return self._scratch.rows

    def forward(self, x, labels):
        return _Step.apply(x, self.weight, labels, self)

    def _context(self, device):
        context = self._scratch.contexts.get(device)
        if context is None:
            context = _Context()
            _library.qcf_context_init_sized(ctypes.byref(context), ctypes.sizeof(context),
                                            _CUDA if device.type == "cuda" else _CPU)
            if device.type == "cuda":
                context.device_index = device.index or 0
                self._check(context, _library.qcf_cuda_open(ctypes.byref(context)))
            self._scratch.contexts[device] = context
        if device.type == "cuda":
            context.stream = torch.cuda.current_stream(device).cuda_stream
        return context

    @staticmethod
    def _check(context, status):
        if status != 0:
            raise RuntimeError(context.error.decode(errors="replace") or f"libqcface_kernels: status {status}")

    def _step(self, x, weight, labels):
        device = weight.device
        if x.dtype not in _TYPES or labels.dtype not in _LABELS or weight.dtype != torch.float32:
            raise TypeError("expected x of float32, bfloat16 or float16, labels of int64 or int32, weight of float32")
        if x.device != device or labels.device != device:
            raise ValueError(f"x and labels must be on {device}, where the class weights are")
        if x.dim() != 2 or x.shape[1] != weight.shape[1] or labels.shape != x.shape[:1]:
            raise ValueError(f"expected x [N, {weight.shape[1]}] and labels [N], got {tuple(x.shape)} and "
                             f"{tuple(labels.shape)}")
        weight, labels = weight.contiguous(), labels.contiguous()
        context = self._context(device)
        rows = {name: torch.empty(x.shape[0], device=device) for name in ("z", "p", "nll")}
        losses = torch.zeros(3, dtype=torch.float64, device=device)
        dx = torch.empty(x.shape, dtype=torch.float32, device=device)
        dw = torch.empty_like(weight)

        config = _Config.from_buffer_copy(self._config)
        config.training = int(self.training)
        args = _Args()
        _library.qcf_head_args_init_sized(ctypes.byref(args), ctypes.sizeof(args))
        args.n, args.d, args.k_loc = x.shape[0], x.shape[1], weight.shape[0]
        args.x, args.x_type, args.w = x.data_ptr(), _TYPES[x.dtype], weight.data_ptr()
        args.labels, args.label_type = labels.data_ptr(), _LABELS[labels.dtype]
        args.t = self.t.data_ptr() if self.t is not None else None
        args.length_stats = self.length_stats.data_ptr() if self.length_stats is not None else None
        args.losses, args.dx, args.dw = losses.data_ptr(), dx.data_ptr(), dw.data_ptr()
        args.row_z, args.row_p, args.row_nll = (rows[name].data_ptr() for name in ("z", "p", "nll"))
        call = (ctypes.byref(context), ctypes.byref(config), ctypes.byref(args))
        # A workspace serves every smaller batch too, so it is asked for only when a batch is the largest yet.
        shape = (device, x.dtype, weight.shape)
        rows_held, held, workspace = self._scratch.workspaces.get(shape, (-1, 0, None))
        if x.shape[0] > rows_held:
            needed = _size()
            self._check(context, _library.qcf_head_workspace_bytes(*call, ctypes.byref(needed)))
            held, workspace = needed.value, torch.empty(needed.value + 64, dtype=torch.uint8, device=device)
            self._scratch.workspaces[shape] = x.shape[0], held, workspace
        args.workspace = math.ceil(workspace.data_ptr() / 64) * 64
        args.workspace_bytes = held
        changes_state = self.training and (self.t is not None or self.length_stats is not None)
        with self._state_lock if changes_state else contextlib.nullcontext():
            self._check(context, _library.qcf_head_step(*call))
            if device.type == "cuda":  # what is wrong with the data shows on the device: waits for the stream
                self._check(context, _library.qcf_head_check(*call))
        self._scratch.rows = rows
        return losses[0].float(), dx, dw
