"""Model weights: found in installed packages, checked, converted to ONNX once, cached on disk."""
