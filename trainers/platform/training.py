"""The classes that the engine extends: a task, a trainer and a runner."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from trainers import keras_choice

_Task = TypeVar("_Task", bound=type)

if TYPE_CHECKING or keras_choice.has_official():
    from official.core.base_task import Task
    from official.core.base_trainer import Trainer
    from official.core.task_factory import register_task_cls as registered
    from official.core.train_lib import OrbitExperimentRunner
    from official.vision.utils.summary_manager import maybe_build_eval_summary_manager

    class Runner(OrbitExperimentRunner):
        """tf-models-official's runner; it writes the images of evaluations too."""

        def __init__(self, *, params: Any, model_dir: str, save_summary: bool, **kwargs: Any):
            """Adds the writer of images, which a task may ask for."""
            images = maybe_build_eval_summary_manager(params, model_dir) if save_summary else None
            super().__init__(
                params=params,
                model_dir=model_dir,
                save_summary=save_summary,
                eval_summary_manager=images,
                **kwargs,
            )

else:
    from trainers.platform.own.runner import Runner
    from trainers.platform.own.task import Task
    from trainers.platform.own.trainer import Trainer

    def registered(config: type) -> Callable[[_Task], _Task]:
        """A decorator that leaves a task as it is; the engine's own list has it."""
        del config
        return lambda task: task


__all__ = ["Runner", "Task", "Trainer", "registered"]
