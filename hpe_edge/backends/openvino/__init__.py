"""OpenVINO backend, imported only when asked for."""
