"""The one place where the Unitree SDK and its DDS library are imported.

The ``unitree-sdk2`` wheel lacks its own sub-package ``b2``, which its ``__init__`` imports. An empty module under that
name, registered before the first import and only where the real one is absent, lets the rest load.

The SDK's messages are described to other participants with octets in place of 8-bit integers: the same bytes on the
wire. CycloneDDS 0.10, which Unitree's SDK and simulator are pinned to, describes them so; it asks for a type whose
description differs from its own, does not know the newer code for 8-bit integers in the answer, and crashes.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diffusion_mpc_ros.core.errors import InterfaceError


def _register_missing_b2() -> None:
    sdk = importlib.util.find_spec("unitree_sdk2py")
    if sdk is None or sdk.origin is None:
        raise InterfaceError("the Unitree SDK is missing: install the package unitree-sdk2 (module unitree_sdk2py)")
    name = "unitree_sdk2py.b2"
    if name not in sys.modules and not (Path(sdk.origin).parent / "b2").is_dir():
        module = types.ModuleType(name, "Stands in for the sub-package that the SDK's wheel lacks.")
        module.__spec__ = importlib.machinery.ModuleSpec(name, loader=None)
        sys.modules[name] = module


@contextmanager
def _uint8_described_as_octet() -> Iterator[None]:
    """Describe uint8 as octet in message classes that are imported meanwhile; see the module's docstring."""
    from cyclonedds.idl import types as idl_types

    uint8, idl_types.uint8 = idl_types.uint8, idl_types.byte
    try:
        yield
    finally:
        idl_types.uint8 = uint8


_register_missing_b2()

from cyclonedds.builtin import (  # noqa: E402
    BuiltinDataReader,
    BuiltinTopicDcpsParticipant,
    BuiltinTopicDcpsPublication,
)
from cyclonedds.core import (  # noqa: E402
    DDSException,
    GuardCondition,
    InstanceState,
    ReadCondition,
    SampleState,
    ViewState,
    WaitSet,
)
from cyclonedds.domain import Domain, DomainParticipant  # noqa: E402
from cyclonedds.pub import DataWriter  # noqa: E402
from cyclonedds.qos import Policy, Qos  # noqa: E402
from cyclonedds.sub import DataReader  # noqa: E402
from cyclonedds.topic import Topic  # noqa: E402
from cyclonedds.util import duration  # noqa: E402

with _uint8_described_as_octet():
    from unitree_sdk2py.idl.unitree_api.msg.dds_ import (  # noqa: E402
        Request_,
        RequestHeader_,
        RequestIdentity_,
        RequestLease_,
        RequestPolicy_,
        Response_,
        ResponseHeader_,
        ResponseStatus_,
    )
    from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_, LowState_, SportModeState_  # noqa: E402

__all__ = [
    "BuiltinDataReader",
    "BuiltinTopicDcpsParticipant",
    "BuiltinTopicDcpsPublication",
    "DDSException",
    "DataReader",
    "DataWriter",
    "Domain",
    "DomainParticipant",
    "GuardCondition",
    "InstanceState",
    "LowCmd_",
    "LowState_",
    "Policy",
    "Qos",
    "ReadCondition",
    "RequestHeader_",
    "RequestIdentity_",
    "RequestLease_",
    "RequestPolicy_",
    "Request_",
    "ResponseHeader_",
    "ResponseStatus_",
    "Response_",
    "SampleState",
    "SportModeState_",
    "Topic",
    "ViewState",
    "WaitSet",
    "duration",
]
