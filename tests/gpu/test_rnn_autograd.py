"""RNN, LSTM and GRU in every form, losses, and gradcheck on a sample of modules.

The reference is the same module in float64 on the CPU, with the same weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from suite.device import integers, move, normal
from suite.guard import gpu_only
from suite.record import Record
from suite.tolerance import check
from torch import nn

FORMS: dict[str, dict[str, Any]] = {
    "one-layer": {},
    "two-layers": {"num_layers": 2},
    "both-ways": {"bidirectional": True},
    "batch-first": {"batch_first": True},
    "no-bias": {"bias": False},
}
pytestmark = [pytest.mark.quick, pytest.mark.slice]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU], ids=["rnn", "lstm", "gru"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_recurrent(
    kind: type[nn.RNNBase], form: str, dtype: torch.dtype, gpu: torch.device, record: Record
) -> None:
    torch.manual_seed(4)
    wide = kind(5, 7, **FORMS[form])
    # The weights are rounded to the dtype first, so that both sides compute with the same numbers.
    wide = wide.to(dtype).double()
    mine = copy.deepcopy(wide).to(gpu, dtype)
    x = normal(6, 3, 5, dtype=dtype, seed=1)
    want, _ = wide(x.double())
    up = normal(*want.shape, dtype=dtype, seed=2)
    wants = torch.autograd.grad(want, list(wide.parameters()), up.double())
    with gpu_only():
        got, _ = mine(move(x, gpu))
        grads = torch.autograd.grad(got, list(mine.parameters()), move(up, gpu))
    # A step's state (at most 1) is stored in the narrow type and enters the next step, six times.
    # A step passes its error on by |W|, whose rows sum to up to 7/sqrt(7) = 2.6, and the libraries'
    # tanh and sigmoid are fast forms with absolute errors of several eps: 8 covers both.
    narrow = 8 * torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
    check(record, "result", got, want.detach(), length=12 * 6, magnitude=narrow)
    for (name, _), a, b in zip(wide.named_parameters(), grads, wants, strict=True):
        check(record, name, a, b, length=12 * 6, magnitude=narrow * (1 + float(b.abs().max())))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU], ids=["lstm", "gru"])
def test_packed_sequences(kind: type[nn.RNNBase], gpu: torch.device, record: Record) -> None:
    torch.manual_seed(5)
    mine = kind(4, 6)
    wide = copy.deepcopy(mine).double()
    mine.to(gpu)
    x, lengths = normal(7, 3, 4, seed=3), torch.tensor([7, 4, 2])
    want, _ = nn.utils.rnn.pad_packed_sequence(
        wide(nn.utils.rnn.pack_padded_sequence(x.double(), lengths))[0]
    )
    packed = nn.utils.rnn.pack_padded_sequence(move(x, gpu), lengths)
    with gpu_only():
        got = mine(packed)[0].data
    flat = nn.utils.rnn.pack_padded_sequence(want.detach(), lengths).data
    check(record, "packed", got, flat, length=10 * 7, magnitude=8.0)


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "cross-entropy": lambda x, t: F.cross_entropy(x, t),
    "cross-entropy-smoothed": lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1, ignore_index=3),
    "nll": lambda x, t: F.nll_loss(F.log_softmax(x, 1), t),
    "multi-margin": lambda x, t: F.multi_margin_loss(x, t),
    "binary-logits": lambda x, t: F.binary_cross_entropy_with_logits(x, F.one_hot(t, 11).to(x.dtype)),
    "mse": lambda x, t: F.mse_loss(x, F.one_hot(t, 11).to(x.dtype)),
    "l1": lambda x, t: F.l1_loss(x, F.one_hot(t, 11).to(x.dtype)),
    "huber": lambda x, t: F.huber_loss(x, F.one_hot(t, 11).to(x.dtype)),
    "kl": lambda x, t: F.kl_div(F.log_softmax(x, 1), F.one_hot(t, 11).to(x.dtype), reduction="batchmean"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, gpu: torch.device, record: Record) -> None:
    x, target = normal(65, 11, seed=1), integers(0, 11, 65, seed=2)
    wide = x.double().requires_grad_()
    want = LOSSES[name](wide, target)
    (grad,) = torch.autograd.grad(want, wide)
    mine = move(x, gpu).requires_grad_()
    with gpu_only():
        got = LOSSES[name](mine, move(target, gpu))
        (mine_grad,) = torch.autograd.grad(got, mine)
    check(record, "loss", got, want.detach(), length=65 * 11, magnitude=1 + float(want))
    check(record, "gradient", mine_grad, grad, length=11, magnitude=1 / 65)


def test_ctc_loss(gpu: torch.device, record: Record) -> None:
    """The operator below F.ctc_loss: torch 2.11's own front copies the targets to the host (the guard saw it)."""
    x, target = normal(12, 2, 5, seed=3), integers(1, 5, 2, 4, seed=4)
    lengths = (12, 10), (4, 3)
    wide = x.double().requires_grad_()
    want = F.ctc_loss(wide.log_softmax(-1), target, *lengths, reduction="none")
    (grad,) = torch.autograd.grad(want.sum(), wide)
    mine = move(x, gpu).requires_grad_()
    with gpu_only():
        got, _ = torch._ctc_loss(mine.log_softmax(-1), move(target, gpu), *lengths)
        (mine_grad,) = torch.autograd.grad(got.sum(), mine)
    check(record, "loss", got, want.detach(), length=60, magnitude=1 + float(want.max()))
    check(record, "gradient", mine_grad, grad, length=60, magnitude=1.0)


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(4, 3), (2, 4)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 3, padding=1), (1, 2, 4, 5)),
    "conv-groups": (lambda: nn.Conv2d(4, 4, 3, groups=2), (1, 4, 4, 4)),
    "batch-norm": (lambda: nn.BatchNorm2d(2), (3, 2, 3, 2)),
    "layer-norm": (lambda: nn.LayerNorm(5), (3, 5)),
    "max-pool": (lambda: nn.MaxPool2d(2), (1, 2, 4, 4)),
    "gelu": (lambda: nn.GELU(), (3, 4)),
    "attention": (lambda: _Attention(), (1, 4, 4)),
    "gru": (lambda: _First(nn.GRU(3, 2)), (3, 2, 3)),
}


class _First(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the sequence without the state."""
        out: torch.Tensor = self.inner(x)[0]
        return out


class _Attention(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attend within the input."""
        return F.scaled_dot_product_attention(x, x, x)


@pytest.mark.parametrize("name", MODULES)
def test_gradcheck(name: str, gpu: torch.device) -> None:
    """Compare autograd with finite differences, both on the GPU, in float64."""
    make, shape = MODULES[name]
    torch.manual_seed(6)
    module = make().double().to(gpu)
    x = move(normal(*shape, dtype=torch.float64, seed=7), gpu).requires_grad_()
    with gpu_only():
        # cuDNN and MIOpen have atomic sums in some backward passes: allow their last bits to differ.
        assert torch.autograd.gradcheck(
            module, (x,), eps=1e-6, atol=1e-6, rtol=1e-4, nondet_tol=1e-10, check_undefined_grad=False
        )
