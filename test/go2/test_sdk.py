"""How the SDK's messages are described to other participants."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros.go2 import sdk

# Identifiers of the complete and the minimal type as CycloneDDS 0.10.2 with Unitree's SDK announces them (read there
# from ``__idl__``). One that differs makes such a participant ask for the type, and the answer crashes it.
IDENTIFIERS = {
    "LowCmd_": ("52cc8eb0d427d692aa2b20a90540", "832876ceec9737d69f6ed62a3f63"),
    "LowState_": ("08f239c471d3a27e67e7c7723184", "853a99e23d0daa1610b65c526b40"),
    "SportModeState_": ("e59749630fff75cc170afb238783", "9fa6ccdc5cafdeaab8a762e31044"),
    "Request_": ("c47a4429fcbf539486498753c48f", "cba4dc965d393ada76b4de081925"),
    "Response_": ("d1c32cc02214901a464a6c51325d", "48c997d379c3e18c530b5f8fe946"),
}


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_a_message_is_described_as_by_the_sdks_own_dds_library(name):
    idl = getattr(sdk, name).__idl__
    idl.populate()
    idl.fill_type_data()
    information = idl._xt_bytedata[0].hex()
    for identifier in IDENTIFIERS[name]:
        assert identifier in information
