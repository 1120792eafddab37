"""From a fitted estimator to the bytes of an ONNX model."""
