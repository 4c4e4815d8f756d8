"""The section ``[egress]``."""

from ipaddress import ip_network

from libs.common.egress.settings import EgressSettings


def test_default() -> None:
    """Nothing beyond the usual."""
    assert EgressSettings().allow == ()


def test_networks() -> None:
    assert EgressSettings(allow=(ip_network("10.0.0.0/8"),)).allow == (ip_network("10.0.0.0/8"),)
