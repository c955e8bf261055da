"""Models that score actions on the device: how each was trained, what it promises, and the proof that it loads.

Each folder holds `train.py` and the modules it is made of, and what it writes: `manifest.json`, `model.onnx`,
`golden.json` and `card.md`. Nothing here runs on a device: a release carries the manifest, the model and the golden
vectors, never the training code.
"""

import os

# onnxruntime tells its maker of its use unless told not to before it is loaded; see docs/decisions/0007.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
