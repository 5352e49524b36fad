"""Model weights: found in installed packages, checked, converted to ONNX once, cached on disk."""

from typing import Final

# Templates carry this name and are compared with no others. Here, so that naming the model loads none of it.
MODEL_ID: Final = "dlib-resnet-v1"
