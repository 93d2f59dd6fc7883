"""The names of addresses: they follow from the seed, whatever else makes names at the same time."""

from concurrent.futures import ThreadPoolExecutor

from faker import Faker

from sirrchat_testkit.handles import names
from sirrchat_testkit.handles.names import Names


def make(seed: str, count: int) -> list[str]:
    made = Names(seed)
    return [made.make("a test") for _ in range(count)]


def test_a_person_is_named_as_a_faker_of_its_own_would() -> None:
    for number in range(20):
        fresh = Faker("en_US")
        fresh.seed_instance(number)
        assert names._person(number) == f"{fresh.first_name()}-{fresh.last_name()}".lower()


def test_names_follow_from_the_seed_in_every_thread() -> None:
    seeds = [f"seed {number}" for number in range(8)]
    alone = [make(seed, 40) for seed in seeds]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda seed: make(seed, 40), seeds))
    assert together == alone
    assert make("seed 0", 1) != make("seed 1", 1)


def test_a_faker_of_the_application_is_not_disturbed() -> None:
    Faker.seed(4)
    theirs = Faker("en_US")
    wanted = [theirs.first_name() for _ in range(3)]
    Faker.seed(4)
    found = [(make("x", 1), theirs.first_name())[1] for _ in range(3)]
    assert found == wanted
