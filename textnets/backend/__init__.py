"""A backend's devices, compiled calls, and memory: what decoding and training both rest on."""
