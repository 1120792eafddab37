"""The Open Inference Protocol, version 2: what its published clients send, and what they expect to come back.

https://github.com/kserve/open-inference-protocol and its extensions for binary tensors, classification, model
repository, model configuration and statistics, as https://github.com/triton-inference-server/server documents
them in ``docs/protocol``.
"""
