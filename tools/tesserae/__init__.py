"""Tesserae's PyTorch twin: the nets, quantizers and losses of the C core, from the same JSON config and model file."""
import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait must not spin: the machine may be shared
