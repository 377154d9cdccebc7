#!/usr/bin/env python3
"""Runs an ONNX model in ONNX Runtime and compares its logits with those of another program.

    run_onnx.py MODEL PREFIX

PREFIX.images and PREFIX.logits: float32, as tests/ptq/exported_logits.cpp writes them. Prints JSON:
"as_written" computes each operator of the file by itself, "default" is what ONNX Runtime makes of
them, convolutions between quantizers as int8 ones.
"""
import json
import sys

import numpy
import onnxruntime

model, prefix = sys.argv[1:]


def compare(keep_operators):
    options = onnxruntime.SessionOptions()
    if keep_operators:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    images = numpy.fromfile(prefix + ".images", dtype="<f4").reshape([-1] + shape[1:])
    expected = numpy.fromfile(prefix + ".logits", dtype="<f4").reshape(len(images), -1)
    logits = session.run(["logits"], {"images": images})[0]
    difference = numpy.abs(logits - expected)
    return {
        "images": len(images),
        "argmax_differences": int((logits.argmax(1) != expected.argmax(1)).sum()),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "images_equal": int((difference.max(1) < 1e-3).sum()),
        "largest_logit": float(numpy.abs(expected).max()),
    }


print(json.dumps({
    "onnxruntime": onnxruntime.__version__,
    "as_written": compare(keep_operators=True),
    "default": compare(keep_operators=False),
}))
