import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
import cases

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.workers.engines.ray import Ray

pytestmark = [
    *cases.STARTS["ray"].as_parameter().marks,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def two_nodes():
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


def test_bad_children_are_rows() -> None:
    cases.bad_children_are_rows(Ray(address="local"))


def test_a_node_that_is_killed_in_the_middle(two_nodes) -> None:
    cluster, second = two_nodes
    engine = Ray(address=cluster.address)
    cases.goes_on_after(lambda: cluster.remove_node(second, allow_graceful=False), engine)
    with pytest.raises(InvalidOption, match=r"gpus of executor 'ray' is 1, and no node"):
        Ray(address=cluster.address, gpus=1).submit(int)


def test_a_node_that_is_killed_while_no_batch_is_waited_for(two_nodes, tmp_path: Path) -> None:
    cluster, second = two_nodes
    engine = Ray(address=cluster.address)
    assert engine.room() == 2
    cases.goes_on_asynchronously_after(
        lambda: cluster.remove_node(second, allow_graceful=False), engine, tmp_path / "s.db"
    )


def test_the_time_of_a_search_that_waits_for_no_batch(tmp_path: Path) -> None:
    cases.its_time_is_up(Ray(address="local"), tmp_path / "s.db")


def test_a_node_that_cannot_train_is_avoided() -> None:
    """One of two has a broken library: its children are trained on the other."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1, env_vars={cases.BROKEN: "1"})
        cases.a_bad_machine_is_avoided(Ray(address=cluster.address))
        cluster.add_node(num_cpus=1, resources={"bad": 1}, env_vars={cases.BROKEN: "1"})
        with pytest.raises(NASGymError, match=r"cannot train children: .*libnone\.so\.1"):
            cases.a_bad_machine_is_avoided(Ray(address=cluster.address, resources={"bad": 1}))
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_no_cluster(tmp_path: Path) -> None:
    for address, says in {
        "localhost:1": "no Ray cluster answers at 'localhost:1' (ConnectionRefusedError",
        "nowhere": "no Ray cluster answers at 'nowhere': give it as host:port",
    }.items():
        told = cases.refused(
            tmp_path,
            *cases.SEARCH,
            *cases.ROUNDS,
            "--executor",
            "ray",
            "--set",
            f"executor.address={address}",
        )
        assert says in told
