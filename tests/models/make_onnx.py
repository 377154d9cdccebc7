#!/usr/bin/env python3
"""Makes tests/models/onnx: a small network as PyTorch (2.11.0) exports it, with its logits.

network.onnx keeps its batch norms, folded.onnx has them folded in, as the exporter does by default;
unknown.onnx has a transposed convolution; shortcut.onnx and
shortcut_folded.onnx have a shortcut without weights and shapes that are computed; padded.onnx is written by hand with the operators that
PyTorch does not use; logits.json holds what PyTorch computes. The other files are refused.

usage: python3 make_onnx.py    (needs PyTorch and onnx)
"""
import json
import pathlib

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

FOLDER = pathlib.Path(__file__).parent / "onnx"


class Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, 4, 1)
        self.fc2 = nn.Conv2d(4, channels, 1)

    def forward(self, x):
        y = nn.functional.adaptive_avg_pool2d(x, 1)
        return nn.functional.hardsigmoid(self.fc2(torch.relu(self.fc1(y)))) * x


class Network(nn.Module):
    """Every kind of node of the graph."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.gate = Gate(8)
        self.left = nn.Conv2d(8, 4, (1, 3), padding=(0, 1))
        self.right = nn.Conv2d(8, 4, (3, 1), padding=(2, 0), dilation=(2, 1))
        self.bn2 = nn.BatchNorm2d(8, eps=1e-3)
        self.down = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.2)
        self.hidden = nn.Linear(12 * 4 * 4, 16)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        y = nn.functional.relu6(self.depthwise(x))
        x = x + self.gate(y)
        x = torch.cat([self.left(x), self.right(x)], 1)
        x = nn.functional.hardswish(self.bn2(x))
        x = nn.functional.max_pool2d(x, 3, 1, 1)
        x = self.down(x)
        x = nn.functional.avg_pool2d(x, 2, ceil_mode=True)
        x = self.drop(torch.flatten(x, 1))
        return self.fc(torch.relu(self.hidden(x)))


class Shortcut(nn.Module):
    """A block with a shortcut without weights, and shapes that are computed (ResNet for CIFAR)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.linear = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(x))
        x = torch.relu(y + nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4)))
        x = nn.functional.avg_pool2d(x, x.size()[3])
        return self.linear(x.view(x.size(0), -1))


def inputs():
    """Two images that a test can write down."""
    count = 2 * 3 * 32 * 32
    return (torch.arange(count) * 37 % 256).float().div(255).sub(0.5).reshape(2, 3, 32, 32)


def export(net, path, x, **options):
    torch.onnx.export(net, x, path, dynamo=False, input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "images"}}, opset_version=17, **options)


def by_hand(path, x, nodes, constants):
    """A file that PyTorch would not write this way."""
    given = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes, "by_hand",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", *x.shape[1:]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])], given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    path.write_bytes(model.SerializeToString())
    return model


def padded(x):
    """TensorFlow's way: Pad before a convolution, MatMul and Add, Reshape; and its logits."""
    draw = np.random.default_rng(5)
    weight = draw.normal(size=(6, 3, 3, 3)).astype(np.float32)
    matrix = draw.normal(size=(6, 10)).astype(np.float32)
    bias = draw.normal(size=10).astype(np.float32)
    nodes = [
        helper.make_node("Constant", [], ["pads"], value=numpy_helper.from_array(
            np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64))),
        helper.make_node("Pad", ["image", "pads"], ["wide"]),
        helper.make_node("Conv", ["wide", "w"], ["conv"], "stem", strides=[2, 2]),
        helper.make_node("Clip", ["conv", "zero"], ["relu"]),
        helper.make_node("ReduceMean", ["relu"], ["mean"], axes=[2, 3], keepdims=1),
        helper.make_node("Reshape", ["mean", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["product"], "dense"),
        helper.make_node("Add", ["b", "product"], ["sum"]),
        helper.make_node("Identity", ["sum"], ["logits"]),
    ]
    by_hand(FOLDER / "padded.onnx", x, nodes,
            {"w": weight, "m": matrix, "b": bias, "zero": np.float32(0),
             "shape": np.array([-1, 6], np.int64)})
    y = torch.relu(nn.functional.conv2d(nn.functional.pad(x, (0, 1, 0, 1)),
                                        torch.tensor(weight), stride=2)).mean((2, 3))
    return y @ torch.tensor(matrix) + torch.tensor(bias)


def hard_sigmoids(x):
    """The operator's default slope, 1/5, and PyTorch's, 1/6."""
    weight = np.zeros((10, 3, 1, 1), np.float32)
    nodes = [helper.make_node("Conv", ["image", "w"], ["conv"], "stem"),
             helper.make_node("HardSigmoid", ["conv"], ["fifth"], "fifth"),
             helper.make_node("HardSigmoid", ["fifth"], ["sixth"], "sixth", alpha=1 / 6),
             helper.make_node("GlobalAveragePool", ["sixth"], ["mean"]),
             helper.make_node("Flatten", ["mean"], ["logits"])]
    by_hand(FOLDER / "hard_sigmoids.onnx", x, nodes, {"w": weight})


def refused(x):
    """Files that the importer must name the fault of."""
    weight = np.zeros((10, 3, 1, 1), np.float32)
    head = [helper.make_node("GlobalAveragePool", ["conv"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["logits"])]
    conv = helper.make_node("Conv", ["image", "w"], ["conv"], "stem")
    by_hand(FOLDER / "half.onnx", x, [conv, *head], {"w": weight.astype(np.float16)})
    by_hand(FOLDER / "nan.onnx", x, [conv, *head], {"w": weight + np.float32("nan")})
    by_hand(FOLDER / "transposed.onnx", x,
            [helper.make_node("Transpose", ["image"], ["turned"], "turn", perm=[0, 1, 3, 2]),
             helper.make_node("Conv", ["turned", "w"], ["conv"]), *head], {"w": weight})
    by_hand(FOLDER / "clipped.onnx", x,
            [conv, helper.make_node("Clip", ["conv", "low", "high"], ["clipped"], "clip"),
             helper.make_node("GlobalAveragePool", ["clipped"], ["mean"]), head[1]],
            {"w": weight, "low": np.float32(-1), "high": np.float32(1)})
    by_hand(FOLDER / "narrow.onnx", x, [conv, *head], {"w": weight[:, :2]})
    model = by_hand(FOLDER / "external.onnx", x, [conv, *head], {"w": weight})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    (FOLDER / "external.onnx").write_bytes(model.SerializeToString())


def trained(net):
    """With running statistics of its own."""
    net.train()
    with torch.no_grad():
        for _ in range(20):
            net(torch.randn(16, 3, 32, 32))
    return net.eval()


def main():
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(3)
    net = trained(Network())
    x = inputs()
    export(net, FOLDER / "network.onnx", x, training=torch.onnx.TrainingMode.PRESERVE)
    export(net, FOLDER / "folded.onnx", x)
    torch.manual_seed(4)
    shortcut = trained(Shortcut())
    export(shortcut, FOLDER / "shortcut.onnx", x, training=torch.onnx.TrainingMode.PRESERVE)
    export(shortcut, FOLDER / "shortcut_folded.onnx", x)
    with torch.no_grad():
        logits = {"network": net(x).tolist(), "shortcut": shortcut(x).tolist()}
    (FOLDER / "logits.json").write_text(json.dumps(
        {**logits, "padded": padded(x).tolist()}, indent=1) + "\n")
    hard_sigmoids(x)
    refused(x)
    up = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 4, 2), nn.AdaptiveAvgPool2d(1),
                       nn.Flatten(), nn.Linear(4, 10)).eval()
    export(up, FOLDER / "unknown.onnx", x)


main()
