"""ONNX Runtime's own int8 beside its float32, for `bitsweep bench integer`: images per second on one thread.

    python3 benchmarks/onnxruntime_int8.py net.onnx

net.onnx: float32, batch norms folded, images [n, 3, 32, 32]. Needs the PyPI packages onnx, onnxruntime,
packaging and sympy. Quantizes per channel by ONNX Runtime's static tool, with drawn images (they set
ranges, not the time)."""
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

BATCH = 128


class Drawn(CalibrationDataReader):
    def __init__(self, name):
        self.left = [{name: images(32, seed)} for seed in range(4)]

    def get_next(self):
        return self.left.pop() if self.left else None


def images(count, seed):
    return np.random.default_rng(seed).standard_normal((count, 3, 32, 32)).astype(np.float32)


def images_per_second(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images(BATCH, 0)}
    session.run(None, feed)
    seconds = []
    for _ in range(10):
        begin = time.perf_counter()
        session.run(None, feed)
        seconds.append(time.perf_counter() - begin)
    return BATCH / statistics.median(seconds)


def main(source):
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float32.onnx"
        quant_pre_process(source, str(plain))
        name = onnx.load(str(plain)).graph.input[0].name
        print(f"float32 {images_per_second(plain):.0f}")
        for word, kind in (("U8S8", QuantType.QUInt8), ("S8S8", QuantType.QInt8)):
            path = Path(folder) / f"{word}.onnx"
            quantize_static(str(plain), str(path), Drawn(name), quant_format=QuantFormat.QDQ,
                            per_channel=True, activation_type=kind, weight_type=QuantType.QInt8)
            print(f"{word} {images_per_second(path):.0f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
