"""The protocol's messages over gRPC. ``inference_pb2`` is generated from ``inference.proto``."""

from __future__ import annotations

from server.errors import SettingsError


def check_installed() -> None:
    """See that what a serving install leaves out is there.

    Raises:
        SettingsError: it is not; the text is the command that installs it.
    """
    try:
        import grpc  # noqa: F401

        import server.v2.wire.inference_pb2  # noqa: F401
    except ImportError:
        raise SettingsError(
            "MPS_GRPC_PORT is set, but gRPC is not installed: pip install 'ml-production-service[grpc]'"
        ) from None
