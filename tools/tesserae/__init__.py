"""Tesserae's PyTorch twin: the nets, quantizers and losses of the C core, from the same JSON config and model file."""
