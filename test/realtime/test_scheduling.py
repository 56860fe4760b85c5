"""Which threads are scheduled as real-time ones; what is asked of the system is noted, not done."""

from __future__ import annotations

import os
import threading

import pytest

from diffusion_mpc_ros.realtime.scheduling import schedule_realtime, threads


@pytest.fixture
def asked(monkeypatch):
    """What was asked of the system: the priority by thread."""
    priorities = {}
    monkeypatch.setattr(os, "sched_setscheduler", lambda number, _, param: priorities.update({number: param}))
    monkeypatch.setattr(os, "sched_param", lambda priority: priority)
    return priorities


def test_all_threads_get_it_or_only_new_ones(asked):
    ended = threading.Event()
    before = threads()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert schedule_realtime(10, but=before)
        # Another library may have begun a thread just now, too.
        assert asked[thread.native_id] == 10 and not set(map(str, asked)) & before
        assert schedule_realtime(10)
        assert {threading.get_native_id(), thread.native_id} <= set(asked)
        asked.clear()
        assert not schedule_realtime(0) and not asked
    finally:
        ended.set()
        thread.join()
