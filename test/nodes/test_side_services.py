"""Services in a thread of their own: when that fails, somebody sees it."""

from __future__ import annotations

import time

from std_srvs.srv import Trigger

from diffusion_mpc_ros.nodes.side_services import SideServices


def test_an_error_of_the_thread_ends_the_process_of_its_owner(managed_node):
    services = SideServices(managed_node, "side")

    def spin_once(timeout_sec: float) -> None:
        raise OSError("no memory for a wait set")

    services._executor.spin_once = spin_once
    services.serve(Trigger, "ask", lambda request, response: "")
    services._thread.join(10.0)
    assert str(managed_node.failure) == "no memory for a wait set"
    services.close()


def test_what_fails_because_it_is_closed_ends_nothing(managed_node):
    services = SideServices(managed_node, "side")

    def spin_once(timeout_sec: float) -> None:
        while not services._closed.is_set():
            time.sleep(0.01)
        raise RuntimeError("closed")

    services._executor.spin_once = spin_once
    services.serve(Trigger, "ask", lambda request, response: "")
    services.close()
    assert not services._thread.is_alive() and managed_node.failure is None
