"""The health client against a server that answers like the TPU API."""

import pytest

from tpu_scripts import health
from tpu_scripts.health import HealthError, Status, TpuNotFoundError

PLACE = ("my-tpu", "us-central1-a", "my-project")
READY = Status("READY", "HEALTHY", "2.20.0", "v3-8")
CREATING = Status("CREATING", "UNKNOWN", "", "")


def test_all_four_facts_are_read(cloud):
    cloud.set_node(
        state="READY",
        health="HEALTHY",
        tensorflowVersion="tpu-vm-tf-2.20.0-pjrt",
        acceleratorType="projects/my-project/locations/us-central1-a/acceleratorTypes/v3-8",
    )
    status = health.read(*PLACE)
    assert status == Status("READY", "HEALTHY", "tpu-vm-tf-2.20.0-pjrt", "v3-8")
    assert status.usable and not status.lost


def test_a_tpu_that_is_not_there(cloud):
    with pytest.raises(TpuNotFoundError, match=r"'my-tpu' in us-central1-a.*404"):
        health.read(*PLACE)


def test_an_api_that_fails(cloud):
    cloud.set_node(error=403)
    with pytest.raises(HealthError, match=r"403.*the API is down") as caught:
        health.read(*PLACE)
    assert not isinstance(caught.value, TpuNotFoundError)


def test_an_api_that_does_not_answer_in_time(cloud):
    cloud.set_node(state="READY", slow=5)
    with pytest.raises(HealthError, match=r"timed out"):
        health.read(*PLACE, request_seconds=0.3)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def wait(answers, timeout=100.0):
    """Waits through statuses and errors; returns the status, the lines and the time."""
    answers, lines, time = iter(answers), [], Time()

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    status = health.wait(ask, timeout, 10.0, lines.append, time.clock, time.sleep)
    return status, lines, time.now


def test_waiting_ends_when_the_tpu_is_healthy():
    status, lines, seconds = wait([HealthError("503"), CREATING, CREATING, READY])
    assert status == READY and seconds == 30.0
    assert lines == ["503", "state CREATING, health UNKNOWN"]  # only what is new


@pytest.mark.parametrize("state", ["PREEMPTED", "TERMINATED"])
def test_waiting_ends_when_the_tpu_is_lost(state):
    with pytest.raises(HealthError, match=rf"lost: state {state}.*create it again"):
        wait([CREATING, Status(state, "", "", "")])


def test_waiting_ends_in_time():
    with pytest.raises(HealthError, match=r"within 100 s; last: state CREATING"):
        wait([CREATING] * 20)
