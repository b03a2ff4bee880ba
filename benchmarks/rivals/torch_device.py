"""Where the scripts in PyTorch compute: on a GPU, where there is one."""

from __future__ import annotations

from typing import Any

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def tensor(array: Any) -> torch.Tensor:
    """An array on the device, ids as PyTorch wants them."""
    found = torch.from_numpy(array)
    return (found.long() if found.dtype == torch.int32 else found).to(DEVICE)


def said(how: str) -> str:
    """Version, device and settings, for the table."""
    where = torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU"
    return f"PyTorch {torch.__version__} on {where}, {torch.get_num_threads()} threads: {how}"
