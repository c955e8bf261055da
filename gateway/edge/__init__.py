"""The process on the device: it hears the broker, drives the engine, keeps the ledger, and publishes."""

import os

# onnxruntime tells its maker of its use unless told not to before it is loaded; from this device nothing leaves.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
