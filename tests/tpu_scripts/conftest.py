"""A cloud for each test that asks for one."""

import pytest


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    pytest.importorskip("cloud_tpu_client", reason="needs the group tpu: make test-tpu")
    from tests.tpu_scripts import fake_cloud

    home = tmp_path / "cloud"
    home.mkdir()
    with fake_cloud.running(home) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running
