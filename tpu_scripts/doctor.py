"""Checks a TPU and its training before anything is created; it changes nothing.

Each check ends with a finding. What is wrong for sure is refused, and nothing is created then.
What gcloud cannot answer, for lack of a permission or of a component, is a warning: it says what
was not checked.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator

from tpu_scripts import quotas, runtimes
from tpu_scripts.gcloud import MISSING, GcloudError
from tpu_scripts.provisioner import Provisioner, Request

OK, WARNING, REFUSED = "ok", "warning", "refused"
_BUCKET = re.compile(r"gs://([a-z0-9][-._a-z0-9]{1,220}[a-z0-9])(/.*)?")


class RefusedError(ValueError):
    """The checks refuse what was asked for; each line of the message names one reason."""


@dataclasses.dataclass(frozen=True)
class Training:
    """What is to be trained, where it is known.

    Attributes:
      experiment: name of an experiment.
      layer: a registered layer, or the path of a layer graph's JSON file.
      data_dir: gs:// folder of prepared data.
      bucket: gs:// folder for checkpoints.
    """

    experiment: str = ""
    layer: str = ""
    data_dir: str = ""
    bucket: str = ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a check has found.

    Attributes:
      subject: what was checked.
      verdict: OK, WARNING or REFUSED.
      text: a sentence; if refused, the rule and the value.
    """

    subject: str
    verdict: str
    text: str


@dataclasses.dataclass(frozen=True)
class _Case:
    """What the checks need to know."""

    provisioner: Provisioner
    request: Request
    training: Training
    project: str


def local(provisioner: Provisioner, request: Request, training: Training) -> list[Finding]:
    """The findings that need neither gcloud nor a network."""
    case = _Case(provisioner, request, training, "")
    return list(_run(_LOCAL, case))


def remote(provisioner: Provisioner, request: Request, training: Training) -> list[Finding]:
    """The findings of Google Cloud: project, API, zone, runtime, quota, data and bucket.

    Raises:
      GcloudError: if gcloud is not installed, or knows no project.
    """
    case = _Case(provisioner, request, training, provisioner.gcloud.project_or_default())
    return list(_run(_REMOTE, case))


def refuse(findings: list[Finding]) -> None:
    """Raises RefusedError with the texts of the findings that are refused, if there are any."""
    if refused := [finding.text for finding in findings if finding.verdict == REFUSED]:
        raise RefusedError("\n".join(refused))


def table(findings: list[Finding]) -> str:
    """A line for each finding."""
    width = max(len(finding.subject) for finding in findings)
    return "\n".join(f"{f.subject:{width}}  {f.verdict:7}  {f.text}" for f in findings)


_Check = Callable[[_Case], Finding | None]


def _run(checks: dict[str, _Check], case: _Case) -> Iterator[Finding]:
    for subject, check in checks.items():
        try:
            finding = check(case)
        except GcloudError as error:
            if not error.said:  # it is not installed
                raise
            finding = Finding(subject, WARNING, f"not checked: {_first_line(error.said)}")
        except ValueError as error:
            finding = Finding(subject, REFUSED, str(error))
        if finding is not None:
            yield finding


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "gcloud said nothing")


def _request(case: _Case) -> Finding:
    case.provisioner.check(case.request)
    name = case.request.accelerator.name
    return Finding("type", OK, f"{name} by the API {case.provisioner.api}")


def _experiment(case: _Case) -> Finding | None:
    name = case.training.experiment
    if not name:
        return None
    from trainers.experiments import arguments

    arguments.check_name(name)
    runtimes.check_training(case.request.accelerator, case.provisioner.api)
    return Finding("experiment", OK, name)


def _layer(case: _Case) -> Finding | None:
    if not case.training.layer:
        return None
    from trainers.models import names

    names.check_layer(case.training.layer, "layer")
    return Finding("layer", OK, case.training.layer)


def _addresses(case: _Case) -> None:
    for field in ("data_dir", "bucket"):
        value = getattr(case.training, field)
        if value and not _BUCKET.fullmatch(value):
            raise ValueError(
                f"`{field}` must be gs:// and a bucket, with or without a folder in it. "
                f"Received: {field}={value!r}"
            )


def _project(case: _Case) -> Finding:
    query = ("projects", "describe", case.project, "--format=value(lifecycleState)")
    rule = f"`project` must be an active one that you may use. Received: project={case.project!r}"
    try:
        state = case.provisioner.gcloud.read(*query)
    except GcloudError as error:
        if not error.said:
            raise
        # gcloud says the same of a project that is not there and of one that it may not see.
        raise ValueError(f"{rule}; gcloud says: {_first_line(error.said)}") from error
    if state != "ACTIVE":
        raise ValueError(f"{rule}; its state is {state}")
    return Finding("project", OK, f"{case.project} is active")


def _service(case: _Case) -> Finding:
    service = case.provisioner.service
    enabled = case.provisioner.gcloud.read(
        *("services", "list", "--enabled", f"--project={case.project}"),
        *(f"--filter=config.name={service}", "--format=value(config.name)"),
    )
    if service not in enabled.split():
        raise ValueError(
            f"`project` must have {service} enabled: `gcloud services enable {service}`. "
            f"Received: project={case.project!r}"
        )
    return Finding("API", OK, f"{service} is enabled")


def _zone(case: _Case) -> Finding:
    zone, type_name = case.provisioner.gcloud.zone, case.request.accelerator.name
    query = case.provisioner.offer_query(case.request.accelerator)
    _must_exist(
        case,
        [*query, "--format=value(name)"],
        f"`zone` must be one that offers {type_name}. Received: zone={zone!r}",
    )
    return Finding("zone", OK, f"{zone} offers {type_name}")


def _runtime(case: _Case) -> Finding:
    runtime = case.request.runtime
    query = [*case.provisioner.runtime_query(runtime), "--format=value(name)"]
    try:
        _must_exist(
            case, query, f"`runtime` must be one that exists there. Received: runtime={runtime!r}"
        )
    except ValueError:
        if not runtimes.is_known_base(runtime):
            raise
        # gcloud's list lacks images that can be created.
        return Finding("runtime", WARNING, f"gcloud does not list {runtime}, which may work still")
    return Finding("runtime", OK, runtime)


def _quota(case: _Case) -> Finding:
    request, gcloud = case.request, case.provisioner.gcloud
    if request.reservation:
        return Finding("quota", OK, "a reservation has its own")
    cheap = request.spot or request.preemptible
    known = quotas.quotas_for(request.accelerator, case.provisioner.api, cheap)
    limits = {quota.name: quotas.limit_of(quota, gcloud, case.project) for quota in known}
    need, name = request.accelerator.chips, request.accelerator.name
    shown = ", ".join(f"{quota}={limit}" for quota, limit in limits.items())
    if any(limit is not None and (limit >= need or limit == -1) for limit in limits.values()):
        return Finding("quota", OK, f"{shown} for {need} chips")
    if not limits or None in limits.values():
        what = f"no limit is stated for {', '.join(limits)}" if limits else "its name is not known"
        return Finding("quota", WARNING, f"not checked: {what}")
    raise ValueError(
        f"the quota in {gcloud.zone} must allow the {need} chips of a {name}: ask for it, or take "
        f"another zone. Received: {shown}"
    )


def _data(case: _Case) -> Finding | None:
    folder = case.training.data_dir
    if not folder:
        return None
    rule = f"`data_dir` must be a folder with prepared data. Received: data_dir={folder!r}"
    listed = _must_exist(case, ["storage", "ls", folder], rule)
    if not listed:
        raise ValueError(rule)
    return Finding("data", OK, f"{folder} has {len(listed.splitlines())} entries")


def _bucket(case: _Case) -> Finding | None:
    match = _BUCKET.fullmatch(case.training.bucket)
    if match is None:
        return None
    bucket, region = f"gs://{match[1]}", case.provisioner.gcloud.region
    answer = _must_exist(
        case,
        ["storage", "buckets", "describe", bucket, "--format=json"],
        f"`bucket` must exist. Received: bucket={case.training.bucket!r}",
    )
    location = json.loads(answer or "{}").get("location", "").lower()
    if location != region:
        text = f"{bucket} is in {location or 'an unknown place'}, not in {region}: traffic costs"
        return Finding("bucket", WARNING, text)
    return Finding("bucket", OK, f"{bucket} is in {region}")


def _must_exist(case: _Case, query: list[str], rule: str) -> str:
    """The answer to a query; raises ValueError with the rule if what it asks for is not there."""
    try:
        return case.provisioner.gcloud.read(*query)
    except GcloudError as error:
        if MISSING.search(error.said):
            raise ValueError(rule) from error
        raise


_LOCAL: dict[str, _Check] = {
    "type": _request,
    "experiment": _experiment,
    "layer": _layer,
    "addresses": _addresses,
}
_REMOTE: dict[str, _Check] = {
    "project": _project,
    "API": _service,
    "zone": _zone,
    "runtime": _runtime,
    "quota": _quota,
    "data": _data,
    "bucket": _bucket,
}
