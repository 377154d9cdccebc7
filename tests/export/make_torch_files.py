#!/usr/bin/env python3
"""Makes tests/export/torch_files: small files as PyTorch (2.11.0) writes them, and hostile ones.

usage: python3 make_torch_files.py    (needs PyTorch)
"""
import collections
import os
import pathlib
import pickle

import torch

FOLDER = pathlib.Path(__file__).parent / "torch_files"


class Attack:
    """Unpickled by Python, this would run a command."""

    def __reduce__(self):
        return os.system, ("touch /tmp/bitsweep_was_here",)


def network():
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    with torch.no_grad():  # values that a test can write down: 0, 0.25, 0.5 …
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) / 4)
    return net


def main():
    FOLDER.mkdir(exist_ok=True)
    state = network().state_dict()
    torch.save(state, FOLDER / "zip.pth")
    torch.save(state, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    parallel = collections.OrderedDict(("module." + k, v) for k, v in state.items())
    torch.save({"state_dict": parallel, "best_prec1": 91.5, "epoch": 7}, FOLDER / "checkpoint.pth")
    torch.save({"state_dict": parallel, "best_prec1": torch.tensor(91.5)}, FOLDER / "checkpoint.th",
               _use_new_zipfile_serialization=False)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    torch.save(collections.OrderedDict(
        float16=base[0].half(), bfloat16=base[1].bfloat16(), float64=base[2].double(),
        int64=base[3].long(), transposed=base.t(), view=base[1:3, 2:5],
        parameter=torch.nn.Parameter(base[:1]), scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3)), FOLDER / "kinds.pt")
    torch.save({"weight": base, "epoch": 3}, FOLDER / "mixed.pth")
    torch.save({"weight": base.to(torch.int8)}, FOLDER / "int8.pth")
    torch.save(network(), FOLDER / "module.pth")
    torch.save({"weight": base, "attack": Attack()}, FOLDER / "attack_zip.pth")
    torch.save({"weight": base, "attack": Attack()}, FOLDER / "attack_legacy.pth",
               _use_new_zipfile_serialization=False)
    (FOLDER / "attack_plain.pth").write_bytes(pickle.dumps(Attack(), protocol=2))


main()
