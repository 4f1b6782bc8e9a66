"""Four small trainings on generated data whose answer is known: MLP, ResNet, LSTM, GPT.

Each says how its data are made, how its model is, and below which loss it must fall in how
many steps. The loss of a model that learned nothing stands beside it, so the threshold means
something. Knows torch only; the tests decide device, dtype and seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import nn

Batch = tuple[torch.Tensor, torch.Tensor]


class Block(nn.Module):
    """A residual block with BatchNorm and a stride."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outside), nn.BatchNorm2d(outside)])
        self.side = nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the two ways."""
        y = F.relu(self.norms[0](self.one(x)))
        return F.relu(self.norms[1](self.two(y)) + self.side(x))


class ResNet(nn.Module):
    """A stem, two residual blocks, a mean and a linear end."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(Block(width, width, 1), Block(width, 2 * width, 2))
        self.end = nn.Linear(2 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the logits."""
        out: torch.Tensor = self.end(self.body(self.stem(x)).mean((2, 3)))
        return out


class Recurrent(nn.Module):
    """An LSTM that reads one number a step and answers once, at the end."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.end = nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the estimate for each sequence."""
        out: torch.Tensor = self.end(self.lstm(x)[0][:, -1])
        return out


class Layer(nn.Module):
    """Causal attention and an MLP, each after a LayerNorm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attend to the past, then think."""
        batch, length, width = x.shape
        q, k, v = (
            t.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for t in self.qkv(self.first(x)).split(width, -1)
        )
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
        out: torch.Tensor = x + self.mlp(self.second(x))
        return out


class Gpt(nn.Module):
    """Token and place embeddings, layers, logits; small, and otherwise GPT-2's shape."""

    def __init__(self, words: int, length: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.layers = nn.Sequential(*[Layer(width, heads) for _ in range(layers)])
        self.norm, self.end = nn.LayerNorm(width), nn.Linear(width, words)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the logits of the next token at every place."""
        place = torch.arange(x.shape[1], device=x.device)
        out: torch.Tensor = self.end(self.norm(self.layers(self.words(x) + self.places(place))))
        return out


@dataclass(frozen=True)
class Workload:
    """A training: `batch(step)` on the CPU, `loss` of a model, steps, rate, and the loss to reach."""

    name: str
    model: Callable[[], nn.Module]
    batch: Callable[[int], Batch]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    steps: int
    rate: float
    #: The loss of the best constant answer, and the loss that the mean of the last five steps must be below.
    untrained: float
    reach: float


def _rings(step: int, count: int) -> Batch:
    """Two features; the class is the quadrant's parity (XOR): no linear model can tell."""
    source = torch.Generator().manual_seed(100 + step)
    x = torch.rand(count, 2, generator=source) * 2 - 1
    return x, ((x[:, 0] * x[:, 1]) > 0).long()


def _bars(step: int, count: int, side: int) -> Batch:
    """Noisy pictures of a horizontal bar, a vertical bar, a cross or nothing: four classes."""
    source = torch.Generator().manual_seed(200 + step)
    kind = torch.randint(0, 4, (count,), generator=source)
    place = torch.randint(1, side - 1, (count, 2), generator=source)
    x = 0.3 * torch.randn(count, 1, side, side, generator=source)
    for i in range(count):
        if kind[i] in (1, 3):
            x[i, 0, place[i, 0]] += 1.5
        if kind[i] in (2, 3):
            x[i, 0, :, place[i, 1]] += 1.5
    return x, kind


def _sums(step: int, count: int, length: int) -> Batch:
    """Sequences of numbers; the answer is their mean times three."""
    source = torch.Generator().manual_seed(300 + step)
    x = torch.rand(count, length, 1, generator=source) * 2 - 1
    return x, 3 * x.mean(1)


def _counting(step: int, count: int, length: int, words: int) -> Batch:
    """Arithmetic progressions modulo `words`: the next token follows from the last two."""
    source = torch.Generator().manual_seed(400 + step)
    start = torch.randint(0, words, (count, 1), generator=source)
    stride = torch.randint(1, 4, (count, 1), generator=source)
    row = (start + stride * torch.arange(length + 1)) % words
    return row[:, :-1].contiguous(), row[:, 1:].contiguous()


def _token_loss(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(out.flatten(0, 1), target.flatten())


def workloads(tier: str) -> dict[str, Workload]:
    """Give the four in the tier's size: the virtual GPU's is as small as still learns."""
    small = tier == "slice"
    count, side, length = (16, 6, 6) if small else (128, 12, 12)
    mean = 9 / (3 * length)  # the variance of three times the mean of `length` numbers of [-1, 1)

    def mlp() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))

    words = 7 if small else 13
    return {
        "mlp": Workload("mlp", mlp, lambda s: _rings(s, 4 * count), F.cross_entropy, 60 if small else 150, 0.02, math.log(2), 0.25),
        "resnet": Workload(
            "resnet", lambda: ResNet(4 if small else 16, 4), lambda s: _bars(s, count, side), F.cross_entropy,
            20 if small else 40, 0.01, math.log(4), 0.9 if small else 0.3,
        ),
        "lstm": Workload(
            "lstm", lambda: Recurrent(12 if small else 32), lambda s: _sums(s, count, length), F.mse_loss,
            40 if small else 120, 0.02, mean, 0.35 * mean if small else 0.1 * mean,
        ),
        "gpt": Workload(
            "gpt", lambda: Gpt(words, length, 16 if small else 48, 2 if small else 4, 1 if small else 2),
            lambda s: _counting(s, count, length, words), _token_loss, 30 if small else 100, 0.01,
            math.log(words), (0.75 if small else 0.4) * math.log(words),
        ),
    }  # fmt: skip
