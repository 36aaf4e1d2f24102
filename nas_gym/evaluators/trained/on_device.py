"""The device on which an evaluator's children are trained, here or on other machines."""

from typing import Any

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.trained.alone import processor_of
from nas_gym.evaluators.workers.number import worker_number
from nas_gym.training.devices import check_there, device_of


class OnDevice:
    """What an evaluator knows of the device that trains; by default the GPU if there is one."""

    device: str | None  # or several

    def train_elsewhere(self, kind: str) -> None:
        """Say that other machines train, on devices of a kind (``"cuda"``) that may be none here.

        Pickles do not hold it: each machine finds its own.
        """
        vars(self)["elsewhere"] = kind

    @property
    def device_here(self) -> str | None:
        """The device on which this process trains: of the i-th worker the i-th one, in turns."""
        return None if self.device is None else device_of(self.device, worker_number())

    @property
    def device_kind(self) -> str:
        """The kind of device that trains, ``"cpu"`` or ``"cuda"``, wherever it is."""
        from nas_gym.training.loop import training_device

        elsewhere: str | None = vars(self).get("elsewhere")
        return elsewhere or training_device(self.device_here).type

    @property
    def measured_on(self) -> dict[str, Any]:
        """How latencies are measured: those of another processor are not comparable.

        Raises:
            InvalidOption: Other machines measure, on devices that nobody knows here.
        """
        from nas_gym.training.loop import training_device

        device = training_device(None if "elsewhere" in vars(self) else self.device_here)
        if self.device_kind != device.type:
            raise InvalidOption(
                "latency is measured, and children are trained on GPUs of other machines, which "
                "need not be alike: begin where there is one, or leave latency out"
            )
        return {"batch": 1, "threads": 1, "processor": processor_of(device)}

    def check_device(self) -> None:
        """Raise InvalidOption if there is no such device, and this machine needs it."""
        if "elsewhere" not in vars(self):
            check_there(self.device)
