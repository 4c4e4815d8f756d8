"""What is kept of a measurement."""

from pathlib import Path

from bench.scale.constants import Trial, read, write

LEAST, MOST = 0.7, 1.4  # As docs/scale.md says.


class TestFile:
    """Writing and reading, and what is kept."""

    def test_again(self, tmp_path: Path) -> None:
        """
        What was read is written as it was: four digits of each number.
        """
        file = tmp_path / "constants.json"

        write(read(), file)

        assert read(file) == read()

    def test_true_to_life(self) -> None:
        """
        The model that the page rests on is one that the real runs bear out.
        """
        ratios = [(each.redis_ratio, each.gateway_ratio) for each in read().trials]

        assert all(LEAST <= ratio <= MOST for pair in ratios for ratio in pair)
        assert {each.gateways for each in read().trials} == {1, 2, 3}


class TestTrial:
    """A real run beside the simulation."""

    def test_ratio(self) -> None:
        """
        More than one: the model is too careful.
        """
        trial = Trial(
            name="events",
            gateways=1,
            redis=2.0,
            redis_simulated=3.0,
            gateway=4.0,
            gateway_simulated=2.0,
        )

        assert (trial.redis_ratio, trial.gateway_ratio) == (1.5, 0.5)
