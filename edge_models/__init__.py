"""Models that score actions on the device: how each was trained, what it promises, and the proof that it loads.

Each folder holds `train.py`, `manifest.json`, `model.onnx`, `golden.json` and `card.md`. Nothing here runs on a device:
a release carries the manifest, the model and the golden vectors, never the training code.
"""
