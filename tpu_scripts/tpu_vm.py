"""Creates, watches, uses and deletes Cloud TPUs.

    python -m tpu_scripts.tpu_vm doctor NAME --zone=us-central1-a --type=v3-8
    python -m tpu_scripts.tpu_vm create NAME --zone=us-central1-a --type=v3-8
    python -m tpu_scripts.tpu_vm wait NAME --zone=us-central1-a
    python -m tpu_scripts.tpu_vm copy NAME --zone=us-central1-a
    python -m tpu_scripts.tpu_vm run NAME --zone=us-central1-a -- nproc
    python -m tpu_scripts.tpu_vm delete NAME --zone=us-central1-a --yes

The type's generation chooses between the Cloud TPU API and Compute Engine, so that --type goes
with every command on a TPU of Compute Engine. Commands that change something run gcloud; --dry_run
prints them and runs none. The health of a TPU of the Cloud TPU API is read with cloud-tpu-client
(group `tpu`). docs/tpu.md describes a whole training.

Exit codes: 3 if the checks of `doctor` refuse, 4 if there is no such TPU, 1 for another error of
this command, else gcloud's.
"""

import argparse
import dataclasses
import json
import pathlib
import re
import shlex
import sys
import tempfile
import time

from tpu_scripts import accelerators, checkout, doctor, health, provisioning, runtimes, vm_options
from tpu_scripts.doctor import Training
from tpu_scripts.gcloud import Gcloud, GcloudError
from tpu_scripts.provisioner import Provisioner, Request

FOLDER = "evonorm-tf"  # of the checkout, in the home folder of each worker
_LOG = "logs/training.log"
_ZONE = re.compile(r"[a-z]+-[a-z]+\d+-[a-z]+[a-z0-9]*")
_LABEL = re.compile(r"[a-z][-_a-z0-9]{0,62}=[-_a-z0-9]{0,63}")
_REFUSED, _NOT_FOUND = 3, 4
Options = argparse.Namespace


def diagnose(options: Options, provisioner: Provisioner) -> None:
    """Checks project, quota, zone, runtime, names, data and bucket; creates nothing."""
    request, training = _request(options, provisioner), _training(options)
    findings = doctor.local(provisioner, request, training)
    if not options.dry_run:
        findings += doctor.remote(provisioner, request, training)
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        print(doctor.table(findings))
    doctor.refuse(findings)


def create(options: Options, provisioner: Provisioner) -> None:
    """Creates a TPU, if the checks of doctor refuse nothing."""
    request, training = _request(options, provisioner), _training(options)
    doctor.refuse(doctor.local(provisioner, request, training))
    if not options.dry_run:
        findings = doctor.remote(provisioner, request, training)
        for finding in findings:
            if finding.verdict == doctor.WARNING:
                print(f"{finding.subject}: {finding.text}", file=sys.stderr)
        doctor.refuse(findings)
    provisioner.create(request)


def _request(options: Options, provisioner: Provisioner) -> Request:
    accelerator = accelerators.parse_type(options.type)
    default = provisioner.default_runtime
    return Request(
        accelerator,
        options.runtime or default(accelerator, options.tf_version),
        tensorflow=options.tf_version,
        spot=options.spot,
        preemptible=options.preemptible,
        reservation=options.reservation,
        network=options.network,
        subnetwork=options.subnetwork,
        internal_ips=options.internal_ips,
        labels=_labels(options.labels),
    )


def _training(options: Options) -> Training:
    return Training(options.experiment, options.layer, options.data_dir, options.bucket)


def _labels(text: str) -> dict[str, str]:
    pairs = text.split(",") if text else []
    for pair in pairs:
        if not _LABEL.fullmatch(pair):
            raise ValueError(
                "`labels` must be key=value,..., in lower-case letters, digits, hyphens and "
                f"underscores. Received: labels={text!r}"
            )
    return dict(pair.split("=") for pair in pairs)


def wait(options: Options, provisioner: Provisioner) -> None:
    """Waits until the TPU is healthy; with --queued, first until the request is granted."""
    deadline, name = time.monotonic() + options.timeout, options.name
    provisioner.wait_until_granted(options.timeout, options.interval)
    status = health.wait(
        provisioner.status,
        max(deadline - time.monotonic(), 0.0),
        options.interval,
        lambda line: print(f"waiting for {name}: {line}", file=sys.stderr),
    )
    facts = filter(None, (status.accelerator_type, status.runtime_version))
    print(f"{name} is healthy: {', '.join(facts)}")


def status(options: Options, provisioner: Provisioner) -> None:
    """Prints state, health, runtime version and accelerator type."""
    figures = dataclasses.asdict(provisioner.status())
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:17} {value}")


def run(options: Options, provisioner: Provisioner) -> None:
    """Runs a command in the copied checkout; a training runs on worker 0, with its environment."""
    if options.worker != "all" and not options.worker.isdigit():
        raise ValueError(f"`worker` must be all or a number. Received: worker={options.worker!r}")
    command, worker = shlex.join(options.command), options.worker
    if options.training:
        variables = _training_variables(options, provisioner)
        command = " ".join([*(f"{key}={value}" for key, value in variables.items()), command])
        # The output is shown here and kept in a file there; the exit code is that of the training.
        command = f"mkdir -p logs && set -o pipefail && {command} 2>&1 | tee -a {_LOG}"
        worker = "0"
    provisioner.run(f"mkdir -p {FOLDER} && cd {FOLDER} && {command}", worker)


def _training_variables(options: Options, provisioner: Provisioner) -> dict[str, str]:
    accelerator = accelerators.parse_type(options.training)
    if options.type and accelerators.parse_type(options.type) != accelerator:
        raise ValueError(
            f"`training` must be the type of the TPU, {options.type}. "
            f"Received: training={options.training!r}"
        )
    runtimes.check_training(accelerator, provisioner.api)
    default = provisioner.default_runtime
    runtime = options.runtime or default(accelerator, options.tf_version)
    return runtimes.training_environment(options.name, accelerator, runtime)


def copy(options: Options, provisioner: Provisioner) -> None:
    """Copies the checkout to all workers."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"{FOLDER}.tar.gz"
        files = checkout.archive(path)
        provisioner.upload(str(path), path.name)
        provisioner.run(f"mkdir -p {FOLDER} && tar -xzf {path.name} -C {FOLDER}", "all")
    print(f"{len(files)} files of the checkout go to ~/{FOLDER} of {options.name}")


def logs(options: Options, provisioner: Provisioner) -> None:
    """Copies the folder of logs from worker 0."""
    target = pathlib.Path(options.to)
    if target.exists():
        raise ValueError(f"`to` must not exist, so that nothing is lost. Received: to={target}")
    provisioner.download(f"{FOLDER}/logs", str(target))


def delete(options: Options, provisioner: Provisioner) -> None:
    """Deletes the TPU, if --yes confirms it."""
    if not (options.yes or options.dry_run):
        raise ValueError(
            f"this deletes {options.name} and all data on its disk: confirm with --yes"
        )
    provisioner.delete()


_ACTIONS = {
    **{"doctor": diagnose, "create": create, "wait": wait, "status": status, "run": run},
    **{"copy": copy, "logs": logs, "delete": delete},
}


def _provisioner(options: Options) -> Provisioner:
    if not _ZONE.fullmatch(options.zone):
        raise ValueError(
            f"`zone` must be one such as us-central1-a. Received: zone={options.zone!r}"
        )
    gcloud = Gcloud(options.name, options.zone, options.project, options.dry_run)
    type_name = options.type or getattr(options, "training", None)
    accelerator = accelerators.parse_type(type_name) if type_name else None
    queued = getattr(options, "queued", False)
    return provisioning.choose(gcloud, accelerator, options.api, queued)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; exits as the module's docstring says after an error."""
    options = vm_options.parse(_ACTIONS, arguments)
    try:
        options.act(options, _provisioner(options))
    except doctor.RefusedError as error:
        _end(error, _REFUSED)
    except health.TpuNotFoundError as error:
        _end(error, _NOT_FOUND)
    except (ValueError, health.HealthError) as error:
        sys.exit(f"tpu_vm: {error}")
    except GcloudError as error:
        _end(error, error.returncode)


def _end(error: Exception, code: int) -> None:
    for line in str(error).splitlines():
        print(f"tpu_vm: {line}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
