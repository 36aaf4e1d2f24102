"""What is said of the time that a training still takes."""

from nas_gym.models.training.log import seconds_left


def test_one_slow_epoch_does_not_move_the_time_that_is_left() -> None:
    seconds = [30.0, 4.0, 4.1, 3.9, 60.0, 4.0, 4.2, 25.0, 4.0, 4.1, 4.0, 4.0]
    epochs = [{"epoch": i, "seconds": each} for i, each in enumerate(seconds, start=1)]
    told = [seconds_left(epochs[:done], 100) for done in range(1, len(epochs) + 1)]
    assert told[0] == 3000  # nothing else is known
    assert all(390 <= each <= 420 for each in told[1:])
    assert seconds_left(epochs, 0) == 0


def test_a_training_that_has_become_slower_is_noticed() -> None:
    epochs = [{"epoch": i, "seconds": 4.0 if i < 20 else 9.0} for i in range(25)]
    assert seconds_left(epochs, 10) == 90
